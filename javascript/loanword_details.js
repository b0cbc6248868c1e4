// The panel beside the list: everything about one embedding, what can be done with it, and what the user writes about it.
"use strict";
(function(loanword) {
    // `act` has insert, convert, makeSafe, rename, split, download, setPreview, save, show(id), close.
    loanword.Details = class {
        constructor({server, act}) {
            Object.assign(this, {server, act, id: null});
            this.body = loanword.make("div", {class: "panelbody"});
            this.heading = loanword.make("h2", {tabindex: "-1"});
            this.element = loanword.make("aside", {class: "panel", "aria-label": loanword.say("Details"), hidden: true},
                loanword.make("div", {class: "title"}, this.heading, loanword.iconButton("close", loanword.say("Close the details"), act.close)),
                this.body);
        }

        get open() {
            return !this.element.hidden;
        }

        async show(id) {
            this.id = id;
            this.element.hidden = false;
            this.element.setAttribute("aria-busy", "true");
            try {
                const item = await this.server.get(`embeddings/${id}`);
                if (this.id === id) this.fill(item);
            } catch (problem) {
                this.heading.textContent = loanword.say("Details");
                this.body.replaceChildren(loanword.make("p", {class: "error", role: "alert"}, problem.message));
            }
            this.element.setAttribute("aria-busy", "false");
        }

        // What is being written in the panel stays as it is.
        async refresh() {
            if (!this.body.contains(this.body.getRootNode().activeElement)) await this.show(this.id);
        }

        close() {
            this.element.hidden = true;
            this.id = null;
        }

        fill(item) {
            const isEmbedding = item.kind === "embedding";
            this.heading.textContent = loanword.visible(isEmbedding ? item.name : item.file);
            this.body.replaceChildren(...[
                this.head(item),
                notices(item),
                isEmbedding ? this.buttons(item) : this.fileButtons(item),
                facts(item),
                isEmbedding ? loanword.inside(item, this.server, this.act.show) : null,
                isEmbedding ? this.notes(item) : null,
                relatives(item, this.act.show),
                metadata(item),
            ].filter(Boolean));
            this.body.scrollTop = 0;
        }

        head(item) {
            const thumb = loanword.thumb(item, this.server);
            thumb.classList.add("large");
            const aliases = item.aliases.map(loanword.visible).join(", ");
            return loanword.make("div", {class: "head"}, thumb, loanword.make("div", {},
                loanword.badge(item), loanword.marks(item),
                aliases ? loanword.make("p", {class: "second"}, loanword.say("Also called {names}", {names: aliases})) : null,
                item.trigger ? loanword.make("p", {}, loanword.make("code", {}, loanword.written(item))) : null));
        }

        buttons(item) {
            const button = (label, act, attributes = {}) => loanword.button(label, () => this.act[act](item), attributes);
            return loanword.make("div", {class: "buttons"},
                loanword.button(loanword.say("Prompt"), () => this.act.insert(item, "positive"), {class: "primary"}),
                loanword.button(loanword.say("Negative prompt"), () => this.act.insert(item, "negative")),
                button(loanword.say("Convert…"), "convert"),
                item.pickle ? button(loanword.say("Make safe…"), "makeSafe") : null,
                button(loanword.say("Rename…"), "rename"),
                item.siblings.length ? button(loanword.say("Split…"), "split") : null,
                button(loanword.say("Set preview"), "setPreview", {title: loanword.say("Takes the last generated picture")}),
                button(loanword.say("Download"), "download"));
        }

        fileButtons(item) {
            return loanword.make("div", {class: "buttons"}, loanword.button(loanword.say("Download"), () => this.act.download(item)));
        }

        notes(item) {
            const input = (name, value) => loanword.make("input", {name, value});
            const area = (name, text) => {
                const box = loanword.make("textarea", {name, rows: "2"});
                box.value = text;
                return box;
            };
            const error = loanword.make("span", {class: "second", role: "status"});
            const form = loanword.make("form", {class: "notes"},
                loanword.field(loanword.say("Description"), area("description", item.description)),
                loanword.field(loanword.say("Notes"), area("notes", item.notes)),
                loanword.field(loanword.say("Tags"), input("tags", item.tags.join(", "))),
                loanword.field(loanword.say("Preferred weight"), loanword.make("input", {
                    name: "preferred_weight", type: "number", step: "0.05", min: "0", max: "10", value: item.preferred_weight ?? "",
                })),
                loanword.make("div", {class: "buttons"}, loanword.make("button", {type: "submit"}, loanword.say("Save")), error));
            form.addEventListener("submit", async(event) => {
                event.preventDefault();
                try {
                    await this.act.save(item, written(form));
                    error.textContent = loanword.say("Saved.");
                } catch (problem) {
                    error.textContent = problem.message;
                }
            });
            return loanword.make("section", {}, loanword.make("h3", {}, loanword.say("Your notes")), form);
        }
    };

    function written(form) {
        const {description, notes, tags, preferred_weight: weight} = form.elements;
        return {
            description: description.value,
            notes: notes.value,
            tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
            preferred_weight: Number(weight.value),
        };
    }

    function notices(item) {
        const why = item.kind === "embedding" ? loanword.whyNot(item) : loanword.toldAsSentence(item.message);
        const untypable = item.kind === "embedding" && !item.trigger ? loanword.say("Its name cannot be typed into a prompt; rename it.") : "";
        const sentences = [untypable, why, ...item.health.map(({sentence}) => loanword.told(sentence)), ...item.warnings.map(loanword.toldAsSentence)];
        const shown = sentences.filter(Boolean);
        return shown.length ? loanword.make("ul", {class: "notices"}, shown.map((text) => loanword.make("li", {}, text))) : null;
    }

    function facts(item) {
        const vectors = item.vectors.filter((each) => each.space !== "layer");
        const layers = item.vectors.length - vectors.length;
        const rows = [
            [loanword.say("File"), loanword.visible(item.file)],
            [loanword.say("Folder"), loanword.visible(item.folder.label)],
            [loanword.say("Format"), item.format && loanword.told(item.format.title)],
            [loanword.say("Container"), item.container && loanword.told(item.container.title)],
            [loanword.say("Cost"), item.kind === "embedding" && loanword.tokensTitle(item)],
            ...vectors.map((each) => [loanword.told(each.title), vectorsTitle(each)]),
            [loanword.say("Layers"), layers && loanword.number(layers)],
            [loanword.say("Size"), loanword.size(item.size)],
            [loanword.say("Changed"), loanword.date(item.modified)],
            [loanword.say("Steps trained"), item.step !== null && item.step !== undefined && loanword.number(item.step)],
            [loanword.say("Trained on"), [item.checkpoint_name, item.checkpoint_hash].filter(Boolean).join(" · ")],
            [loanword.say("SHA-256"), item.sha256],
            [loanword.say("SHA-256 of the original"), item.original_sha256 !== item.sha256 && item.original_sha256],
        ];
        return loanword.make("dl", {class: "facts"}, rows.filter(([, value]) => value)
            .flatMap(([label, value]) => [loanword.make("dt", {}, label), loanword.make("dd", {}, value)]));
    }

    function vectorsTitle({count, width, dtype, space}) {
        const text = `${count} × ${width}, ${dtype}`;
        return space === "output" ? loanword.say("{vectors} (output space)", {vectors: text}) : text;
    }

    function relatives(item, show) {
        const lists = [
            [loanword.say("In the same file"), item.siblings], [loanword.say("Same vectors in"), item.duplicates],
        ].filter(([, others]) => others && others.length);
        return lists.length ? loanword.make("section", {}, lists.map(([title, others]) => [
            loanword.make("h3", {}, title),
            loanword.make("ul", {class: "links"}, others.map((other) => loanword.make("li", {},
                loanword.button(loanword.visible(other.file || other.name), () => show(other.id), {class: "link"})))),
        ])) : null;
    }

    function metadata(item) {
        const entries = Object.entries(item.metadata || {});
        if (!entries.length) return null;
        return loanword.make("details", {}, loanword.make("summary", {}, loanword.say("Metadata")),
            loanword.make("dl", {class: "facts"}, entries.flatMap(([key, value]) =>
                [loanword.make("dt", {}, loanword.visible(key)), loanword.make("dd", {}, value)])));
    }
})(window.loanword = window.loanword || {});
