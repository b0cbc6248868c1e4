// The tab: fills the mount point, and joins the toolbar, the list, the panel and the dialogs.
"use strict";
(function(loanword) {
    // The page is a shadow tree: the host's rules for text, its translator and its observers leave it alone.
    async function mount(host) {
        host.dataset.mounted = "true";
        const root = host.attachShadow({mode: "open"});
        root.append(loanword.make("link", {rel: "stylesheet", href: stylesheet()}));
        host.addEventListener("keydown", (event) => event.stopPropagation());
        const server = loanword.connect(host.dataset.base, host.dataset.token);
        const waiting = loanword.make("p", {class: "state", role: "status"}, loanword.say("Reading the embeddings…"));
        root.append(waiting);
        try {
            loanword.session = await server.get("session");
            const tab = new Tab(root, server, loanword.session);
            waiting.replaceWith(tab.element);
            await tab.load();
        } catch (problem) {
            waiting.replaceChildren(problem.message, " ", loanword.button(loanword.say("Try again"), () => {
                const again = host.cloneNode(false);
                delete again.dataset.mounted;
                host.replaceWith(again);
            }));
            waiting.setAttribute("role", "alert");
        }
    }

    class Tab {
        constructor(root, server, session) {
            Object.assign(this, {root, server, session, chosen: new Map(), anchor: 0, scanning: 0});
            const act = {
                insert: (item, side) => this.insert(item, side),
                details: (item) => this.showDetails(item.id),
                select: (item, chosen, event) => this.select(item, chosen, event),
                convert: (item) => loanword.convertDialog(this.page, [item]),
                makeSafe: (item) => loanword.makeSafeDialog(this.page, [item]),
                rename: (item) => loanword.renameDialog(this.page, item),
                split: (item) => loanword.splitDialog(this.page, item),
                download: (item) => this.attempt(() => server.download(`download/${item.id}`)),
                setPreview: (item) => this.attempt(() => this.setPreview(item)),
                save: async(item, written) => this.changed(await server.post("sidecar", {id: item.id, ...written})),
                show: (id) => this.showDetails(id),
                close: () => this.closeDetails(),
            };
            this.act = act;
            this.tray = loanword.make("div", {class: "tray"});
            this.page = {root, server, session, tray: this.tray, query: () => this.query(), onchange: () => this.refresh()};
            this.build();
        }

        build() {
            const {make, say} = loanword;
            this.picker = make("input", {type: "file", multiple: true, hidden: true, "aria-label": say("Files to add")});
            this.picker.addEventListener("change", () => this.addFiles(this.picker));
            this.toolbar = new loanword.Toolbar({
                session: this.session,
                onquery: () => this.load(),
                onrefresh: () => this.rescan(),
            });
            this.count = make("span", {role: "status"});
            this.showAll = loanword.button(say("Show all"), () => this.toolbar.set({base_model: ""}), {class: "link"});
            this.bar = this.buildBar();
            this.body = make("div", {class: "rows", role: "rowgroup"});
            this.scroller = make("div", {class: "list", role: "grid", "aria-label": say("Embeddings"), "aria-multiselectable": "true"},
                header(), this.body);
            this.empty = make("div", {class: "state", hidden: true});
            this.details = new loanword.Details({server: this.server, act: this.act});
            this.toast = make("div", {class: "toast", role: "status", "aria-live": "polite"});
            this.element = make("div", {class: "tab"},
                hostLines(this.session), this.toolbar.element,
                make("div", {class: "line"}, make("span", {class: "count"}, this.count, this.showAll), this.bar, make("span", {class: "grow"}), loanword.targetSwitch()),
                make("div", {class: "main"}, make("div", {class: "middle"}, this.scroller, this.empty), this.details.element),
                this.tray, this.toast, this.picker, make("div", {class: "dropping"}, say("Drop files to see what they are")));
            this.list = new loanword.VirtualList({
                scroller: this.scroller, body: this.body,
                fetchPage: (offset, limit, signal) => this.server.get("embeddings", {...this.query(), offset, limit}, signal),
                makeRow: (item) => loanword.makeRow(item, {...this.rowState(item), server: this.server, act: this.act}),
                makeEmptyRow: loanword.makeEmptyRow,
                onproblem: (problem) => this.tell(problem.message, "bad"),
            });
            this.body.addEventListener("click", (event) => this.clicked(event));
            this.body.addEventListener("focusin", (event) => this.focused(event));
            this.element.addEventListener("keydown", (event) => this.pressed(event));
            this.listenForDrops();
        }

        query() {
            return {...this.toolbar.query};
        }

        async load(how = {}) {
            this.scroller.setAttribute("aria-busy", "true");
            try {
                const answer = await this.list.reload(how);
                if (!answer) return;
                this.toolbar.showFacets(answer.facets);
                this.showCount(answer);
                this.showEmpty(answer);
                this.scroller.setAttribute("aria-rowcount", answer.total + 1);
                if (answer.scanning) this.lookAgain();
            } catch (problem) {
                this.scroller.hidden = true;
                this.empty.hidden = false;
                this.empty.replaceChildren(loanword.make("p", {role: "alert"}, problem.message),
                    loanword.button(loanword.say("Try again"), () => this.load()));
            }
            this.scroller.setAttribute("aria-busy", "false");
        }

        // While the folders are read, the list fills itself.
        lookAgain() {
            clearTimeout(this.scanning);
            this.scanning = setTimeout(() => this.load({keepPlace: true}), 700);
        }

        showCount({total, scanning}) {
            this.total = total;
            const text = loanword.sayCount(total, "{count} embedding", "{count} embeddings");
            this.count.textContent = scanning ? `${text}, ${loanword.say("reading the folders…")}` : text;
            this.showAll.hidden = this.toolbar.query.base_model !== "current";
            this.showBar();
        }

        // What can be done with a selection, and without one.
        buildBar() {
            const chosen = () => [...this.chosen.values()];
            const act = (label, run) => loanword.button(label, () => this.attempt(run), {class: "small"});
            this.chosenCount = loanword.make("strong");
            this.forChosen = loanword.make("div", {class: "bar", hidden: true}, this.chosenCount,
                act(loanword.say("Convert…"), () => loanword.convertDialog(this.page, chosen())),
                act(loanword.say("Make safe…"), () => loanword.makeSafeDialog(this.page, chosen())),
                act(loanword.say("Bundle into a LoRA…"), () => loanword.bundleDialog(this.page, chosen())),
                act(loanword.say("Clear"), () => {
                    this.clearSelection();
                    this.list.focus(this.list.active);
                }));
            this.convertAll = act(loanword.say("Convert all…"), () => loanword.convertDialog(this.page, null, this.total));
            this.forAll = loanword.make("div", {class: "bar"}, this.convertAll,
                act(loanword.say("Add files…"), () => this.picker.click()),
                act(loanword.say("Unpack a LoRA…"), () => loanword.unbundleDialog(this.page)));
            return loanword.make("div", {class: "bar"}, this.forChosen, this.forAll);
        }

        showBar() {
            const {size} = this.chosen;
            this.forChosen.hidden = size === 0;
            this.forAll.hidden = size > 0;
            this.convertAll.disabled = !this.total;
            this.chosenCount.textContent = loanword.sayCount(size, "{count} selected", "{count} selected");
        }

        showEmpty({total, scanning}) {
            this.scroller.hidden = total === 0;
            this.empty.hidden = total !== 0;
            if (total) return;
            this.empty.replaceChildren(...(scanning ? [loanword.say("Reading the folders…")] : this.toolbar.narrowed() ? [
                loanword.make("p", {}, loanword.say("Nothing fits this search and these filters.")),
                loanword.button(loanword.say("Show everything"), () => this.toolbar.reset()),
            ] : [
                loanword.make("p", {}, loanword.say("No embeddings yet.")),
                loanword.make("p", {class: "second"}, loanword.say("Put files into one of these folders, or drop them here: {folders}",
                    {folders: this.session.folders.map((folder) => folder.label).join(", ")})),
            ]));
        }

        insert(item, side = loanword.target().side) {
            if (!item.trigger) return this.tell(loanword.say("Its name cannot be typed into a prompt; rename it."), "warn");
            const target = {...loanword.target(), side};
            const put = loanword.togglePrompt(loanword.written(item), target);
            const values = {name: loanword.visible(item.name), prompt: loanword.targetTitle(target)};
            if (put === null) return this.tell(loanword.say("This WebUI has no {prompt}.", values), "bad");
            if (!put) return this.tell(loanword.say("Taken out of the {prompt}: {name}", values));
            const done = loanword.say("Put into the {prompt}: {name}", values);
            return item.use.by ? this.tell(done) : this.tell(`${done}. ${loanword.whyNot(item)}`, "warn");
        }

        clicked(event) {
            const row = event.target.closest(".row");
            if (!row || !row.loanwordItem || event.target.closest("button, input")) return;
            const item = row.loanwordItem;
            if (event.ctrlKey || event.metaKey) {
                this.select(item, !this.chosen.has(item.id), event);
            } else if (item.kind !== "embedding") {
                this.showDetails(item.id);
            } else {
                const {side} = loanword.target();
                this.insert(item, event.shiftKey ? loanword.otherSide(side) : side);
            }
        }

        focused(event) {
            const row = event.target.closest(".row");
            for (const [index, each] of this.list.rows) {
                const current = each === row;
                if (current) this.list.activate(index);
                for (const control of each.querySelectorAll("button, input")) control.tabIndex = current ? 0 : -1;
            }
        }

        pressed(event) {
            if (event.key === "Escape" && !event.target.closest("dialog")) this.escape();
            const row = event.target.closest(".row");
            if (event.target !== row) return;
            const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: this.list.rowsInSight(), PageUp: -this.list.rowsInSight(),
                Home: -Infinity, End: Infinity};
            const item = row.loanwordItem;
            if (!(event.key in steps) && !item) return;
            if (event.key in steps) this.step(steps[event.key], event);
            else if (event.key === "Enter" && item.kind === "embedding") this.clicked(event);
            else if (event.key === "Enter" || event.key === "ArrowRight") this.showDetails(item.id);
            else if (event.key === " ") this.select(item, !this.chosen.has(item.id), event);
            else return;
            event.preventDefault();
        }

        step(by, event) {
            const index = Math.max(0, Math.min(this.list.total - 1, this.list.active + by));
            this.list.focus(index);
            const item = this.list.item(index);
            if (event.shiftKey && item) this.select(item, true, {});
            if (this.details.open && item) this.showDetails(item.id, {moveFocus: false});
        }

        escape() {
            if (this.details.open) this.closeDetails();
            else if (this.chosen.size) this.clearSelection();
        }

        select(item, chosen, event) {
            const items = [...this.list.loadedItems()];
            const here = items.findIndex((each) => each.id === item.id);
            const range = event.shiftKey && this.anchor >= 0 ?
                items.slice(Math.min(here, this.anchor), Math.max(here, this.anchor) + 1) : [item];
            for (const each of range) {
                if (!chosen) this.chosen.delete(each.id);
                else if (each.kind === "embedding") this.chosen.set(each.id, each);
            }
            this.anchor = here;
            this.showStates();
        }

        clearSelection() {
            this.chosen.clear();
            this.showStates();
        }

        showStates() {
            for (const row of this.list.rows.values()) {
                if (row.loanwordItem) loanword.showRowState(row, this.rowState(row.loanwordItem));
            }
            this.showBar();
        }

        rowState(item) {
            return {chosen: this.chosen.has(item.id), open: this.details.id === item.id};
        }

        async showDetails(id, {moveFocus = true} = {}) {
            this.element.classList.add("withpanel");
            const shown = this.details.show(id);
            this.showStates();
            await shown;
            if (moveFocus) this.details.heading.focus();
        }

        closeDetails() {
            this.details.close();
            this.element.classList.remove("withpanel");
            this.showStates();
            if (this.list.total) this.list.focus(this.list.active);
        }

        async changed(item) {
            this.list.replaceItem(item);
            if (this.details.id === item.id) await this.details.show(item.id);
        }

        setPreview(item) {
            if (!item.preview) return this.usePicture(item);
            return loanword.openDialog({
                ...this.page,
                title: loanword.say("Replace the preview?"),
                intro: loanword.say("The last generated picture takes the place of the one that is there."),
                fields: [],
                buttons: [[loanword.say("Replace"), () => this.attempt(() => this.usePicture(item)), {class: "primary"}]],
            });
        }

        async usePicture(item) {
            const after = await this.server.post("preview", {id: item.id, overwrite: item.preview});
            this.server.forgetPicture(loanword.previewPath(item));
            await this.changed(after);
            this.tell(loanword.say("The last generated picture is its preview now."));
        }

        // The host and the list read the folders again.
        async rescan() {
            const view = new loanword.JobView({server: this.server, onend: () => {
                view.element.remove();
                this.refresh();
            }});
            this.tray.replaceChildren(view.element);
            await view.run([() => this.server.post("refresh")]);
        }

        async refresh() {
            this.session = Object.assign(this.session, await this.server.get("session"));
            await this.load({keepPlace: true});
            if (this.details.open) await this.details.show(this.details.id);
        }

        async addFiles(source) {
            const files = [...source.files];
            if (files.length) await this.attempt(() => loanword.uploadDialog(this.page, files));
            if (source === this.picker) this.picker.value = "";
        }

        listenForDrops() {
            const carriesFiles = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
            const show = (shown) => this.element.classList.toggle("dropready", shown);
            this.element.addEventListener("dragover", (event) => {
                if (!carriesFiles(event)) return;
                event.preventDefault();
                event.stopPropagation();
                show(true);
            });
            this.element.addEventListener("dragleave", (event) => {
                if (!this.element.contains(event.relatedTarget)) show(false);
            });
            this.element.addEventListener("drop", (event) => {
                if (!carriesFiles(event)) return;
                event.preventDefault();
                event.stopPropagation();
                show(false);
                this.addFiles(event.dataTransfer);
            });
        }

        async attempt(run) {
            try {
                await run();
            } catch (problem) {
                this.tell(problem.message, "bad");
            }
        }

        tell(text, kind = "good") {
            clearTimeout(this.hiding);
            this.toast.textContent = text;
            this.toast.dataset.kind = kind;
            this.hiding = setTimeout(() => {
                this.toast.textContent = "";
            }, 6000);
        }
    }

    function header() {
        const head = (name, title) => loanword.make("div", {class: name, role: "columnheader"}, title);
        return loanword.make("div", {class: "row heads", role: "row", "aria-rowindex": "1"},
            head("pick", hidden(loanword.say("Selected"))), head("thumb", hidden(loanword.say("Preview"))), head("named", loanword.say("Name")),
            head("base", loanword.say("Base model")), head("tokens", loanword.say("Tokens")), head("format", loanword.say("Format")),
            head("size", loanword.say("Size")), head("marks", loanword.say("Condition")), head("acts", hidden(loanword.say("Actions"))));
    }

    const hidden = (text) => loanword.make("span", {class: "unseen"}, text);

    function hostLines({host}) {
        const lines = host.lines.map((line) => loanword.make("li", {}, loanword.say(line)));
        if (!host.model_loaded) {
            lines.unshift(loanword.make("li", {}, loanword.say("No model is loaded; everything is listed, whatever it is for.")));
        }
        return lines.length ? loanword.make("ul", {class: "hostlines"}, lines) : null;
    }

    const ownAddress = document.currentScript.src;
    const stylesheet = () => new URL("../style.css", ownAddress).href + new URL(ownAddress).search;

    function mountWhenThere() {
        const host = document.getElementById("loanword-root");
        if (host && !host.dataset.mounted) mount(host);
    }

    // The host builds its page late and may build it anew.
    new MutationObserver(mountWhenThere).observe(document, {childList: true, subtree: true});
    mountWhenThere();
})(window.loanword = window.loanword || {});
