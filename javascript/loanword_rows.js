// One embedding, or one file that is none, as a row of the list.
"use strict";
(function(loanword) {
    // `act` has the functions insert(item, side), details(item), select(item, chosen, event).
    loanword.makeRow = function(item, {server, act, ...state}) {
        const row = loanword.make("div", {class: "row", role: "row", "data-id": item.id},
            loanword.make("div", {class: "pick", role: "gridcell"}, pick(item, act)),
            loanword.make("div", {class: "thumb", role: "gridcell"}, loanword.thumb(item, server)),
            named(item),
            loanword.make("div", {class: "base", role: "gridcell"}, item.kind === "embedding" ? [loanword.badge(item), usedBy(item)] : ""),
            twoLines("tokens", tokens(item), encoders(item)),
            twoLines("format", item.format ? loanword.told(item.format.title) : loanword.say("no embedding"), precision(item)),
            twoLines("size", loanword.size(item.size), loanword.date(item.modified)),
            loanword.make("div", {class: "marks", role: "gridcell"}, loanword.marks(item)),
            loanword.make("div", {class: "acts", role: "gridcell"}, buttons(item, act)),
            remark(item));
        row.classList.toggle("unusable", item.kind !== "embedding");
        loanword.showRowState(row, state);
        return row;
    };

    loanword.showRowState = function(row, {chosen, open}) {
        row.classList.toggle("open", open);
        row.setAttribute("aria-selected", String(chosen));
        row.querySelector("input").checked = chosen;
    };

    // The heads of the columns.
    loanword.makeHeads = function() {
        const head = (name, title) => loanword.make("div", {class: name, role: "columnheader"}, title);
        const unseen = (text) => loanword.make("span", {class: "unseen"}, text);
        return loanword.make("div", {class: "row heads", role: "row", "aria-rowindex": "1"},
            head("pick", unseen(loanword.say("Selected"))), head("thumb", unseen(loanword.say("Preview"))),
            head("named", loanword.say("Name")), head("base", loanword.say("Base model")), head("tokens", loanword.say("Tokens")),
            head("format", loanword.say("Format")), head("size", loanword.say("Size")), head("marks", loanword.say("Condition")),
            head("acts", unseen(loanword.say("Actions"))));
    };

    loanword.makeEmptyRow = () => loanword.make("div", {class: "row waiting", role: "row", "aria-busy": "true"},
        loanword.make("div", {role: "gridcell", class: "wide"}, loanword.make("span", {class: "bar"}), loanword.make("span", {class: "bar short"})));

    // The preview, or the first letter on a colour of its own.
    loanword.thumb = function(item, server) {
        const letter = [...item.name.replace(/^[^\p{L}\p{N}]+/u, "")][0] || "?";
        const box = loanword.make("span", {class: "picture", "aria-hidden": "true"}, letter.toUpperCase());
        box.style.setProperty("--loanword-hue", hue(item.name));
        if (item.preview) {
            server.picture(loanword.previewPath(item)).then((url) => {
                const image = loanword.make("img", {src: url, alt: "", decoding: "async"});
                box.replaceChildren(image);
            }, () => null);
        }
        return box;
    };

    loanword.previewPath = (item) => `preview/${item.id}`;

    loanword.badge = function(item) {
        const base = item.base_model;
        if (item.kind !== "embedding") return loanword.make("span", {class: "badge", "data-base": "none"}, loanword.say("no embedding"));
        return loanword.make("span", {class: "badge", "data-base": base ? base.key : "none"}, base ? loanword.told(base.title).replace("Stable Diffusion", "SD") : loanword.say("not said"));
    };

    loanword.marks = function(item) {
        const marks = item.health.map(({key, sentence}) => mark("bad", healthTitle(key), loanword.told(sentence)));
        if (item.pickle) {
            marks.unshift(mark("warn", loanword.say("pickle"), loanword.say("Programs that load pickles run what is in them. loanword does not.")));
        }
        return marks;
    };

    loanword.whyNot = (item) => [item.use.why, item.use.remedy].filter(Boolean).map(loanword.told).join(" ");

    loanword.tokensTitle = tokens;
    loanword.precision = precision;

    function pick(item, act) {
        const box = loanword.make("input", {
            type: "checkbox", tabindex: "-1", "aria-label": loanword.say("Select {name}", {name: loanword.visible(item.name)}),
        });
        box.disabled = item.kind !== "embedding";
        box.addEventListener("click", (event) => act.select(item, box.checked, event));
        return box;
    }

    function named(item) {
        const others = item.kind === "embedding" ? [...new Set([item.file, ...item.aliases])] : [];
        const name = loanword.visible(item.kind === "embedding" ? item.name : item.file);
        return loanword.make("div", {class: "named", role: "rowheader"},
            loanword.make("span", {class: "name", title: name}, name),
            loanword.make("span", {class: "second"}, others.map(loanword.visible).join(" · ")));
    }

    function usedBy(item) {
        if (item.use.by === "host") return loanword.make("span", {class: "second"}, loanword.say("ready"));
        if (item.use.by === "loanword") return loanword.make("span", {class: "second"}, loanword.say("by loanword"));
        return loanword.make("span", {class: "second"}, loanword.say("not in use"));
    }

    function twoLines(name, first, second) {
        return loanword.make("div", {class: name, role: "gridcell"}, loanword.make("span", {title: first}, first),
            loanword.make("span", {class: "second", title: second}, second));
    }

    function tokens(item) {
        return item.kind === "embedding" ? loanword.sayCount(item.tokens, "{count} token", "{count} tokens") : "";
    }

    function encoders(item) {
        return item.vectors.filter((each) => each.space !== "layer").map(({count, title}) => `${count} × ${loanword.told(title)}`).join(", ");
    }

    function precision(item) {
        const dtypes = [...new Set(item.vectors.map((each) => each.dtype))].join(", ");
        return [dtypes, item.container && loanword.told(item.container.title)].filter(Boolean).join(" · ");
    }

    function mark(kind, title, sentence) {
        return loanword.make("span", {class: `mark ${kind}`, title: sentence}, title);
    }

    function healthTitle(key) {
        const known = (loanword.session.health || []).find((each) => each.key === key);
        return loanword.say(known ? known.title : key);
    }

    function buttons(item, act) {
        const name = loanword.visible(item.name);
        const more = loanword.iconButton("more", loanword.say("Details of {name}", {name}), () => act.details(item), {tabindex: "-1"});
        if (item.kind !== "embedding") return [more];
        return [
            loanword.iconButton("plus", loanword.say("Put {name} into the prompt", {name}), () => act.insert(item, "positive"), {tabindex: "-1"}),
            loanword.iconButton("minus", loanword.say("Put {name} into the negative prompt", {name}), () => act.insert(item, "negative"), {tabindex: "-1"}),
            more,
        ];
    }

    // The third line: why the host leaves it out and what to do, or what the user wrote about it.
    function remark(item) {
        const why = item.kind === "embedding" ? loanword.whyNot(item) : loanword.toldAsSentence(item.message);
        const problem = item.use.by ? "" : why;
        const text = problem || item.description || why;
        return loanword.make("div", {class: problem ? "remark problem" : "remark", role: "gridcell"},
            loanword.make("span", {title: text}, text));
    }

    function hue(name) {
        let sum = 0;
        for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
        return sum;
    }

})(window.loanword = window.loanword || {});
