// The rows that are selected, and what can be done with them or, without any, with all.
"use strict";
(function(loanword) {
    loanword.Selection = class {
        constructor(onchange) {
            Object.assign(this, {onchange, items: new Map(), anchor: null});
        }

        has(item) {
            return this.items.has(item.id);
        }

        // With Shift, everything between the last one and this; `loaded` are the rows' items in order.
        choose(item, chosen, {shiftKey = false}, loaded) {
            const here = loaded.findIndex((each) => each.id === item.id);
            const before = loaded.findIndex((each) => each.id === this.anchor);
            const range = shiftKey && before >= 0 ? loaded.slice(Math.min(here, before), Math.max(here, before) + 1) : [item];
            for (const each of range) {
                if (!chosen) this.items.delete(each.id);
                else if (each.kind === "embedding") this.items.set(each.id, each);
            }
            this.anchor = item.id;
            this.onchange();
        }

        clear() {
            this.items.clear();
            this.onchange();
        }
    };

    // `page` as for the dialogs; `act` has attempt(run), addFiles(), clear() and checkPrompts().
    loanword.Bar = class {
        constructor(page, act) {
            const button = (label, run) => loanword.button(label, () => act.attempt(run), {class: "small"});
            const chosen = () => [...this.selection.items.values()];
            this.count = loanword.make("strong");
            this.forChosen = loanword.make("div", {class: "bar", hidden: true}, this.count,
                button(loanword.say("Convert…"), () => loanword.convertDialog(page, chosen())),
                button(loanword.say("Make safe…"), () => loanword.makeSafeDialog(page, chosen())),
                button(loanword.say("Bundle into a LoRA…"), () => loanword.bundleDialog(page, chosen())),
                button(loanword.say("Clear"), act.clear));
            this.convertAll = button(loanword.say("Convert all…"), () => loanword.convertDialog(page, null, this.total));
            this.forAll = loanword.make("div", {class: "bar"}, this.convertAll,
                button(loanword.say("Add files…"), act.addFiles),
                button(loanword.say("Unpack a LoRA…"), () => loanword.unbundleDialog(page)),
                button(loanword.say("Check prompts…"), () => loanword.checkPrompts(page)));
            this.element = loanword.make("div", {class: "bar"}, this.forChosen, this.forAll);
        }

        show(selection, total) {
            const {size} = selection.items;
            Object.assign(this, {selection, total});
            this.forChosen.hidden = size === 0;
            this.forAll.hidden = size > 0;
            this.convertAll.disabled = !total;
            this.count.textContent = loanword.sayCount(size, "{count} selected", "{count} selected");
        }
    };
})(window.loanword = window.loanword || {});
