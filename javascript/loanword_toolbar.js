// Above the list: search, filters, order, and which prompt a click goes to. Remembered from visit to visit.
"use strict";
(function(loanword) {
    const KEY = "loanword-view";
    const TYPING_PAUSE = 150;
    const FACETS = ["base_model", "format", "folder", "health"];
    const KIND = "kind/";
    // Files that hold no embedding are a condition, too; the API calls it their kind.
    const asCondition = ({health, kind}) => (kind ? KIND + kind : health || "");
    const fromCondition = (value) =>
        (value.startsWith(KIND) ? {kind: value.slice(KIND.length), health: ""} : {kind: "", health: value});

    // `onquery(query)` is called for every change; `query` is what GET /embeddings takes.
    loanword.Toolbar = class {
        constructor({session, onquery, onrefresh}) {
            Object.assign(this, {session, onquery});
            this.query = this.remembered();
            this.search = loanword.make("input", {
                type: "search", class: "search", autocomplete: "off", spellcheck: "false",
                placeholder: loanword.say("Search names, files, notes and tags"),
                "aria-label": loanword.say("Search embeddings"),
            });
            this.selects = Object.fromEntries(FACETS.map((facet) => [facet, this.facetSelect(facet)]));
            this.sort = loanword.choice(session.sorts.map(({key, title}) => [key, loanword.say(title)]), this.query.sort,
                {"aria-label": loanword.say("Order by")});
            this.order = loanword.iconButton("up", "", () => this.set({order: this.query.order === "asc" ? "desc" : "asc"}));
            this.element = loanword.make("div", {class: "toolbar", role: "search", "aria-label": loanword.say("Embeddings")},
                loanword.make("span", {class: "searchbox"}, loanword.icon("search"), this.search),
                FACETS.map((facet) => this.selects[facet]),
                loanword.make("span", {class: "joined"}, this.sort, this.order),
                loanword.iconButton("refresh", loanword.say("Read the folders again"), onrefresh));
            this.listen();
            this.showOrder();
            this.showFacets({});
        }

        remembered() {
            const stored = JSON.parse(localStorage.getItem(KEY) || "{}");
            const sorts = this.session.sorts.map((each) => each.key);
            return {
                base_model: this.session.host.base_model ? "current" : "",
                sort: sorts.includes(stored.sort) ? stored.sort : sorts[0],
                order: stored.order === "desc" ? "desc" : "asc",
            };
        }

        facetSelect(facet) {
            const titles = {
                base_model: loanword.say("Base model"), format: loanword.say("Format"),
                folder: loanword.say("Folder"), health: loanword.say("Condition"),
            };
            return loanword.choice([], "", {"aria-label": titles[facet], class: "facet", "data-facet": facet});
        }

        listen() {
            let pause = 0;
            this.search.addEventListener("input", () => {
                clearTimeout(pause);
                pause = setTimeout(() => this.set({q: this.search.value.trim()}), TYPING_PAUSE);
            });
            this.search.addEventListener("keydown", (event) => {
                if (event.key === "Escape" && this.search.value) {
                    event.stopPropagation();
                    this.search.value = "";
                    this.set({q: ""});
                }
            });
            for (const facet of FACETS) {
                this.selects[facet].addEventListener("change", () => this.set(this.chosenIn(facet)));
            }
            this.sort.addEventListener("change", () => this.set({sort: this.sort.value}));
        }

        chosenIn(facet) {
            const {value} = this.selects[facet];
            return facet === "health" ? fromCondition(value) : {[facet]: value};
        }

        set(change) {
            Object.assign(this.query, change);
            localStorage.setItem(KEY, JSON.stringify({sort: this.query.sort, order: this.query.order}));
            this.showOrder();
            this.onquery(this.query);
        }

        reset() {
            this.search.value = "";
            this.set({q: "", kind: "", ...Object.fromEntries(FACETS.map((facet) => [facet, ""]))});
        }

        // Another model may be loaded, or none.
        sessionChanged() {
            if (!this.session.host.base_model && this.query.base_model === "current") this.query.base_model = "";
        }

        narrowed() {
            return Boolean(this.query.q || this.query.kind) || FACETS.some((facet) => this.query[facet]);
        }

        showOrder() {
            const up = this.query.order === "asc";
            const label = loanword.say(up ? "Ascending; click for descending" : "Descending; click for ascending");
            this.order.replaceChildren(loanword.icon(up ? "up" : "down"));
            this.order.title = label;
            this.order.setAttribute("aria-label", label);
        }

        // The choices, with how many there are of each.
        showFacets(facets) {
            const host = this.session.host;
            const titles = {
                base_model: this.titlesOf("base_models", loanword.told).set("unknown", loanword.say("Not said")),
                format: this.titlesOf("formats", loanword.told), health: this.titlesOf("health", loanword.say),
                folder: new Map(this.session.folders.map(({id, label}) => [id, loanword.visible(label)])),
            };
            const all = {
                base_model: loanword.say("All base models"), format: loanword.say("All formats"),
                folder: loanword.say("All folders"), health: loanword.say("Any condition"),
            };
            for (const facet of FACETS) {
                const counts = Object.entries(facets[facet] || {});
                if (facet === "health") counts.push(...withoutEmbedding(facets.kind));
                const choices = counts.map(([key, count]) =>
                    [key, `${titleOf(titles[facet], key)} (${loanword.number(count)})`]);
                const current = facet === "base_model" && host.base_model ?
                    [["current", loanword.say("For {model} (loaded)", {model: loanword.told(host.base_model.title)})]] : [];
                const chosen = facet === "health" ? asCondition(this.query) : this.query[facet] || "";
                if (chosen && chosen !== "current" && !counts.some(([key]) => key === chosen)) {
                    choices.push([chosen, `${titleOf(titles[facet], chosen)} (0)`]);
                }
                loanword.setChoices(this.selects[facet], [...current, ["", all[facet]], ...choices], chosen);
                this.selects[facet].classList.toggle("set", Boolean(chosen));
            }
        }

        titlesOf(what, translated) {
            return new Map((this.session[what] || []).map(({key, title}) => [key, translated(title)]));
        }
    };

    const titleOf = (titles, key) =>
        (key.startsWith(KIND) ? kindTitle(key.slice(KIND.length)) : titles.get(key) || key);

    function withoutEmbedding(kinds = {}) {
        return Object.entries(kinds).filter(([kind]) => kind !== "embedding").map(([kind, count]) => [KIND + kind, count]);
    }

    // The API's word for why a file cannot be used.
    function kindTitle(kind) {
        return {
            "damaged": loanword.say("damaged file"),
            "unsafe-pickle": loanword.say("refused pickle"),
            "not-an-embedding": loanword.say("no embedding"),
            "malformed": loanword.say("malformed embedding"),
            "unreadable": loanword.say("unreadable file"),
            "unrecognised": loanword.say("unknown format"),
        }[kind] || kind;
    }

    // "A click goes to": the page and the side.
    loanword.targetSwitch = function() {
        const group = (label, choices, name) => loanword.make("span", {class: "switch", role: "radiogroup", "aria-label": label},
            choices.map(([value, title]) => {
                const input = loanword.make("input", {type: "radio", name: `loanword-${name}`, value});
                input.checked = loanword.target()[name] === value;
                input.addEventListener("change", () => loanword.setTarget({[name]: value}));
                return loanword.make("label", {}, input, loanword.make("span", {}, title));
            }));
        return loanword.make("div", {class: "target", title: loanword.say("With Shift it goes to the other prompt, with Ctrl it selects")},
            loanword.make("span", {class: "second"}, loanword.say("A click goes to")),
            group(loanword.say("Page"), [["txt2img", "txt2img"], ["img2img", "img2img"]], "page"),
            group(loanword.say("Prompt"), [["positive", loanword.say("Prompt")], ["negative", loanword.say("Negative")]], "side"));
    };
})(window.loanword = window.loanword || {});
