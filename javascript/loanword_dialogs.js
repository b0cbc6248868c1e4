// A form in a dialog, and the job that it starts. Focus stays inside, Escape closes, and focus goes back afterwards.
"use strict";
(function(loanword) {
    // Closing it while the job runs leaves the job in `tray`, where it can be watched and cancelled.
    // `buttons` are [label, starts(values), attributes, how JobView shows it]; `starts` gives the functions that start the jobs, or a promise
    // of something quicker, after which the dialog closes.
    loanword.openDialog = function({root, server, tray, title, intro, fields, buttons, onend}) {
        const before = root.activeElement;
        const form = loanword.make("form", {method: "dialog", novalidate: true});
        const error = loanword.make("p", {class: "error", role: "alert"});
        const progress = loanword.make("div", {class: "progress"});
        const dialog = loanword.make("dialog", {"aria-label": title},
            loanword.make("div", {class: "title"}, loanword.make("h2", {}, title),
                loanword.iconButton("close", loanword.say("Close"), () => dialog.close())),
            form);
        const values = () => Object.fromEntries([...form.elements].filter((each) => each.name && !each.disabled)
            .map((each) => [each.name, each.type === "checkbox" ? each.checked : each.value]));
        const press = (starts, how) => () => {
            error.textContent = "";
            const jobs = attempt(starts, values(), error);
            if (!jobs) return;
            if (jobs instanceof Promise) {
                jobs.then(() => dialog.close());
                return;
            }
            const view = new loanword.JobView({server, ...how, onend: (...ended) => {
                setBusy(form, false);
                onend(...ended);
            }});
            progress.replaceChildren(view.element);
            setBusy(form, true);
            view.run(jobs);
        };
        form.append(
            ...[intro].flat().filter(Boolean).map((each) => (typeof each === "string" ? loanword.make("p", {}, each) : each)),
            loanword.make("div", {class: "fields"}, fields),
            error,
            loanword.make("div", {class: "answers"}, buttons.map(([label, starts, attributes = {}, how = {}]) =>
                loanword.button(label, press(starts, how), attributes))),
            progress);
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            form.querySelector("button.primary").click();
        });
        dialog.addEventListener("close", () => {
            if (progress.querySelector(".job:not([data-state])")) tray.replaceChildren(...progress.children);
            dialog.remove();
            if (before && before.isConnected) before.focus();
        });
        root.append(dialog);
        dialog.showModal();
        return dialog;
    };

    function attempt(starts, values, error) {
        try {
            return starts(values);
        } catch (problem) {
            error.textContent = problem.message;
            return null;
        }
    }

    function setBusy(form, busy) {
        form.setAttribute("aria-busy", String(busy));
        for (const button of form.querySelectorAll(".answers button")) button.disabled = busy;
    }

    let fields = 0;

    loanword.field = function(label, control) {
        fields += 1;
        control.id = `loanword-field-${fields}`;
        return loanword.make("div", {class: "field"}, loanword.make("label", {for: control.id}, label), control);
    };

    loanword.checkbox = function(label, name, checked = false) {
        const box = loanword.make("input", {type: "checkbox", name});
        box.checked = checked;
        return loanword.make("label", {class: "field check"}, box, loanword.make("span", {}, label));
    };

    // The folders that can be written to; the first is the default.
    loanword.folderField = function(session, extra = []) {
        const folders = session.folders.filter((folder) => folder.writable).map(({id, label}) => [id, label]);
        return loanword.field(loanword.say("Folder"), loanword.choice([...extra, ...folders], undefined, {name: "folder"}));
    };
})(window.loanword = window.loanword || {});
