// The button of the node "Embedding prompt": a list of embeddings with previews, from which one is put into the text.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NODE = "LoanwordEmbeddingPrompt";
const SEARCH_DELAY = 150; // milliseconds without a key before the server is asked

const STYLE = `
.loanword-picker { width: min(44rem, 92vw); height: min(38rem, 86vh); padding: 0; border-radius: 8px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-menu-bg, #353535);
    color: var(--input-text, #ddd); font: 14px sans-serif; }
.loanword-picker::backdrop { background: rgb(0 0 0 / 55%); }
.loanword-picker form { display: flex; flex-direction: column; height: 100%; box-sizing: border-box; padding: 1rem; gap: .75rem; }
.loanword-picker header { display: flex; gap: .5rem; }
.loanword-picker input { flex: 1; padding: .5rem; border-radius: 4px; border: 1px solid var(--border-color, #4e4e4e);
    background: var(--comfy-input-bg, #222); color: inherit; font: inherit; }
.loanword-picker button { font: inherit; color: inherit; cursor: pointer; border-radius: 6px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); padding: .5rem .75rem; }
.loanword-picker button:focus-visible, .loanword-picker input:focus-visible { outline: 2px solid #6ba6ff; outline-offset: 1px; }
.loanword-picker ul { flex: 1; overflow: auto; margin: 0; padding: 0; list-style: none; display: grid; gap: .5rem;
    grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); align-content: start; }
.loanword-picker li button { display: flex; flex-direction: column; width: 100%; height: 100%; padding: 0; overflow: hidden; text-align: left; }
.loanword-picker li img, .loanword-picker li i { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; }
.loanword-picker li i { display: grid; place-items: center; font: 600 2rem sans-serif; opacity: .35; }
.loanword-picker li b, .loanword-picker li small { display: block; padding: 0 .5rem; overflow-wrap: anywhere; }
.loanword-picker li b { padding-top: .4rem; }
.loanword-picker li small { padding-bottom: .4rem; opacity: .8; }
`;

function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

async function embeddings(search, syntax) {
    const response = await api.fetchApi(`/loanword/embeddings?${new URLSearchParams({ search, syntax })}`);
    if (!response.ok) throw new Error(response.statusText);
    return response.json();
}

function card(row, choose) {
    const picture = row.preview
        ? element("img", { src: api.apiURL(`/loanword/previews/${row.preview}`), alt: "", loading: "lazy" })
        : element("i", { textContent: [...row.name][0] ?? "", ariaHidden: "true" });
    const about = [row.base_model, row.tokens === 1 ? "1 token" : `${row.tokens} tokens`].filter(Boolean).join(", ");
    const button = element(
        "button",
        { type: "button", title: row.file, onclick: () => choose(row) },
        picture,
        element("b", { textContent: row.name }),
        element("small", { textContent: about }),
    );
    return element("li", {}, button);
}

function insert(widget, text) {
    const area = widget.inputEl ?? widget.element;
    const at = area?.selectionEnd ?? widget.value.length;
    const before = widget.value.slice(0, at).trimEnd();
    const after = widget.value.slice(at).trimStart();
    const separated = before && !before.endsWith(",") ? `${before}, ${text}` : `${before}${before ? " " : ""}${text}`;
    widget.value = after && !after.startsWith(",") ? `${separated}, ${after}` : `${separated}${after}`;
    app.graph.setDirtyCanvas(true, true);
}

function openPicker(widget, syntax) {
    const search = element("input", { type: "search", placeholder: "Search", ariaLabel: "Search embeddings" });
    const close = element("button", { textContent: "Close" });
    const list = element("ul");
    const count = element("div", { role: "status" });
    const form = element("form", { method: "dialog" }, element("header", {}, search, close), count, list);
    const dialog = element("dialog", { className: "loanword-picker", ariaLabel: "Choose an embedding" }, form);
    dialog.addEventListener("close", () => dialog.remove());
    search.addEventListener("keydown", (event) => {
        event.stopPropagation(); // the editor has shortcuts on single keys
        if (event.key === "Enter") event.preventDefault();
    });

    let newest = 0;
    async function show() {
        const mine = ++newest;
        try {
            const found = await embeddings(search.value, syntax);
            if (mine !== newest) return;
            list.replaceChildren(...found.embeddings.map((row) => card(row, choose)));
            const shown = found.embeddings.length;
            const total = found.total === 1 ? "1 embedding" : `${found.total} embeddings`;
            count.textContent = found.total > shown ? `${total}, the first ${shown} are shown` : total;
        } catch (error) {
            count.textContent = `The list could not be read: ${error.message}`;
        }
    }
    function choose(row) {
        insert(widget, row.text);
        dialog.close();
    }

    let waiting;
    search.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(show, SEARCH_DELAY);
    });
    document.body.append(dialog);
    dialog.showModal();
    show();
}

app.registerExtension({
    name: "loanword",
    setup() {
        document.head.append(element("style", { textContent: STYLE }));
    },
    nodeCreated(node) {
        if (node.comfyClass !== NODE) return;
        const text = node.widgets?.find((widget) => widget.name === "text");
        const syntax = node.widgets?.find((widget) => widget.name === "syntax");
        if (!text) return;
        const open = () => openPicker(text, syntax?.value ?? "");
        const button = node.addWidget("button", "Choose an embedding…", null, open);
        button.serialize = false;
        button.tooltip = "All embeddings in ComfyUI's folders, with previews; a click puts one into the prompt.";
    },
});
