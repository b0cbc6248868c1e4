// The tab: joins the toolbar, the list, the panel and the dialogs, and says what happened.
"use strict";
(function(loanword) {
    const LOOK_AGAIN_MS = 700;
    const TOAST_MS = 6000;

    loanword.Tab = class {
        constructor(root, server, session) {
            Object.assign(this, {root, server, session});
            this.tray = loanword.make("div", {class: "tray"});
            this.page = {root, server, session, tray: this.tray, query: () => this.query(), onchange: () => this.refresh()};
            this.selection = new loanword.Selection(() => this.showStates());
            this.details = new loanword.Details({server, act: this.actions()});
            this.build();
            loanword.listenToRows(this);
            loanword.listenForFiles(this.element, (files) => this.addFiles([...files]));
        }

        // What rows and the panel call.
        actions() {
            const {page, server} = this;
            return {
                insert: (item, side) => this.insert(item, side),
                details: (item) => this.showDetails(item.id),
                select: (item, chosen, event) => this.choose(item, chosen, event),
                convert: (item) => loanword.convertDialog(page, [item]),
                makeSafe: (item) => loanword.makeSafeDialog(page, [item]),
                rename: (item) => loanword.renameDialog(page, item),
                split: (item) => loanword.splitDialog(page, item),
                download: (item) => this.attempt(() => server.download(`download/${item.id}`)),
                setPreview: (item) => this.attempt(() => this.setPreview(item)),
                save: async(item, written) => this.changed(await server.post("sidecar", {id: item.id, ...written})),
                show: (id) => this.showDetails(id),
                close: () => this.closeDetails(),
            };
        }

        build() {
            const {make, say} = loanword;
            this.toolbar = new loanword.Toolbar({session: this.session, onquery: () => this.load(), onrefresh: () => this.rescan()});
            this.picker = make("input", {type: "file", multiple: true, hidden: true, "aria-label": say("Files to add")});
            this.picker.addEventListener("change", async() => {
                await this.addFiles([...this.picker.files]);
                this.picker.value = "";
            });
            this.lines = make("ul", {class: "hostlines"});
            this.count = make("span", {role: "status"});
            this.showAll = loanword.button(say("Show all"), () => this.toolbar.set({base_model: ""}), {class: "link"});
            this.bar = new loanword.Bar(this.page, {
                attempt: (run) => this.attempt(run),
                addFiles: () => this.picker.click(),
                clear: () => {
                    this.selection.clear();
                    this.list.focus(this.list.active);
                },
            });
            this.buildList();
            this.toast = make("div", {class: "toast", role: "status", "aria-live": "polite"});
            this.element = make("div", {class: "tab"},
                this.lines, this.toolbar.element,
                make("div", {class: "line"}, make("span", {class: "count"}, this.count, this.showAll), this.bar.element,
                    make("span", {class: "grow"}), loanword.targetSwitch()),
                make("div", {class: "main"}, make("div", {class: "middle"}, this.scroller, this.empty), this.details.element),
                this.tray, this.toast, this.picker, make("div", {class: "dropping"}, say("Drop files to see what they are")));
            this.showHost();
        }

        buildList() {
            const act = this.actions();
            const body = loanword.make("div", {class: "rows", role: "rowgroup"});
            const shape = {class: "list", role: "grid", "aria-label": loanword.say("Embeddings"), "aria-multiselectable": "true"};
            this.scroller = loanword.make("div", shape, loanword.makeHeads(), body);
            this.empty = loanword.make("div", {class: "state", hidden: true});
            this.list = new loanword.VirtualList({
                scroller: this.scroller, body,
                fetchPage: (offset, limit, signal) => this.server.get("embeddings", {...this.query(), offset, limit}, signal),
                makeRow: (item) => loanword.makeRow(item, {...this.rowState(item), server: this.server, act}),
                makeEmptyRow: loanword.makeEmptyRow,
                onproblem: (problem) => this.tell(problem.message, "bad"),
            });
        }

        query() {
            return {...this.toolbar.query};
        }

        async load(how = {}) {
            this.scroller.setAttribute("aria-busy", "true");
            try {
                const answer = await this.list.reload(how);
                if (answer) this.show(answer);
            } catch (problem) {
                this.scroller.hidden = true;
                this.empty.hidden = false;
                this.empty.replaceChildren(loanword.make("p", {role: "alert"}, problem.message),
                    loanword.button(loanword.say("Try again"), () => this.load()));
            }
            this.scroller.setAttribute("aria-busy", "false");
        }

        show({total, facets, scanning}) {
            this.total = total;
            const text = loanword.sayCount(total, "{count} embedding", "{count} embeddings");
            this.count.textContent = scanning ? `${text}, ${loanword.say("reading the folders…")}` : text;
            this.showAll.hidden = this.toolbar.query.base_model !== "current";
            this.scroller.setAttribute("aria-rowcount", total + 1);
            this.toolbar.showFacets(facets);
            this.bar.show(this.selection, total);
            this.scroller.hidden = total === 0;
            this.empty.hidden = total !== 0;
            if (!total) this.empty.replaceChildren(...this.nothing(scanning));
            clearTimeout(this.lookingAgain);
            // While the folders are read, the list fills itself.
            if (scanning) this.lookingAgain = setTimeout(() => this.load({keepPlace: true}), LOOK_AGAIN_MS);
        }

        nothing(scanning) {
            const {make, say} = loanword;
            if (scanning) return [say("Reading the folders…")];
            if (this.toolbar.narrowed()) {
                return [make("p", {}, say("Nothing fits this search and these filters.")),
                    loanword.button(say("Show everything"), () => this.toolbar.reset())];
            }
            const folders = this.session.folders.map((folder) => folder.label).join(", ");
            return [make("p", {}, say("No embeddings yet.")),
                make("p", {class: "second"}, say("Put files into one of these folders, or drop them here: {folders}", {folders}))];
        }

        // What the host lacks, and whether it has a model.
        showHost() {
            const {host} = this.session;
            const none = host.model_loaded ? [] : [loanword.say("No model is loaded; everything is listed, whatever it is for.")];
            const lines = [...none, ...host.lines.map(loanword.toldAsSentence)];
            this.lines.replaceChildren(...lines.map((line) => loanword.make("li", {}, line)));
            this.lines.hidden = !lines.length;
        }

        // Takes an embedding's trigger into the prompt of `side`, or out of it.
        insert(item, side) {
            if (!item.trigger) return this.tell(loanword.say("Its name cannot be typed into a prompt; rename it."), "warn");
            const target = {...loanword.target(), side};
            const put = loanword.togglePrompt(loanword.written(item), target);
            const values = {name: loanword.visible(item.name), prompt: loanword.targetTitle(target)};
            if (put === null) return this.tell(loanword.say("This WebUI has no {prompt}.", values), "bad");
            if (!put) return this.tell(loanword.say("Taken out of the {prompt}: {name}", values));
            const done = loanword.say("Put into the {prompt}: {name}", values);
            return item.use.by ? this.tell(done) : this.tell(`${done}. ${loanword.whyNot(item)}`, "warn");
        }

        choose(item, chosen, event) {
            this.selection.choose(item, chosen, event, [...this.list.loadedItems()]);
        }

        rowState(item) {
            return {chosen: this.selection.has(item), open: this.details.id === item.id};
        }

        showStates() {
            for (const row of this.list.rows.values()) {
                if (row.loanwordItem) loanword.showRowState(row, this.rowState(row.loanwordItem));
            }
            this.bar.show(this.selection, this.total);
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
            const view = new loanword.JobView({server: this.server, onend: (outcomes, last) => {
                if (last) view.element.remove();
                this.refresh();
            }});
            this.tray.replaceChildren(view.element);
            await view.run([() => this.server.post("refresh")]);
        }

        async refresh() {
            await this.attempt(async() => Object.assign(this.session, await this.server.get("session")));
            this.showHost();
            this.toolbar.sessionChanged();
            await this.load({keepPlace: true});
            if (this.details.open) await this.details.refresh();
        }

        async addFiles(files) {
            if (files.length) await this.attempt(() => loanword.uploadDialog(this.page, files));
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
            this.hiding = setTimeout(() => this.toast.replaceChildren(), TOAST_MS);
        }
    };
})(window.loanword = window.loanword || {});
