// "Look inside": pictures of an embedding's numbers, and the same numbers as tables.
"use strict";
(function(loanword) {
    const MOST_COLUMNS = 24;
    const SENTENCES_IN_SIGHT = 2;

    loanword.inside = function(item, server, show) {
        const body = loanword.make("div", {class: "inside"});
        const fold = loanword.make("details", {class: "lookinside"}, loanword.make("summary", {}, loanword.say("Look inside")), body);
        fold.addEventListener("toggle", async() => {
            if (!fold.open || body.childElementCount) return;
            body.replaceChildren(loanword.make("p", {role: "status"}, loanword.say("Reading the vectors…")));
            try {
                body.replaceChildren(...contents(item, await server.get(`embeddings/${item.id}/inside`), server, show));
            } catch (problem) {
                body.replaceChildren(loanword.make("p", {class: "error", role: "alert"}, problem.message));
            }
        });
        return fold;
    };

    function contents(item, {encoders, neighbours, text, pictures}, server, show) {
        return [
            ...paragraphs(text.slice(0, SENTENCES_IN_SIGHT)),
            ...pictures.map((picture) => figure(item, picture, server)),
            text.length > SENTENCES_IN_SIGHT ? loanword.make("details", {},
                loanword.make("summary", {}, loanword.say("In words")), paragraphs(text.slice(SENTENCES_IN_SIGHT))) : null,
            ...encoders.flatMap(encoderTables),
            neighbours.length ? nearest(neighbours, show) : null,
        ].filter(Boolean);
    }

    const paragraphs = (sentences) => sentences.map((sentence) => loanword.make("p", {}, loanword.told(sentence)));

    function figure(item, {key, title, alt}, server) {
        const image = loanword.make("img", {alt: loanword.told(alt)});
        server.picture(`embeddings/${item.id}/pictures/${key}?theme=${loanword.theme()}`).then(
            (url) => image.setAttribute("src", url),
            (problem) => image.replaceWith(loanword.make("p", {class: "error"}, problem.message)));
        return loanword.make("figure", {}, loanword.make("figcaption", {}, loanword.told(title)), image);
    }

    function encoderTables({title: name, labels, norms, similarity, words, words_missing: missing}) {
        const title = loanword.told(name);
        const heads = [loanword.say("Vector"), loanword.say("Norm"), ...(words ? [loanword.say("Nearest words")] : [])];
        const rows = norms.map((norm, index) =>
            [labels[index], loanword.fraction(norm), ...(words ? [wordList(words[index])] : [])]);
        const tables = [folded(loanword.say("{encoder}: norms and words", {encoder: title}), heads, rows, true)];
        if (norms.length > 1 && norms.length <= MOST_COLUMNS) {
            tables.push(folded(loanword.say("{encoder}: similarity", {encoder: title}),
                [loanword.say("Vector"), ...labels],
                similarity.map((row, index) => [labels[index], ...row.map(loanword.fraction)])));
        }
        return missing ? [...tables, loanword.make("p", {class: "second"}, loanword.toldAsSentence(missing))] : tables;
    }

    const wordList = (words) => (words || []).map(({word, similarity}) =>
        `${loanword.visible(word)} (${loanword.fraction(similarity)})`).join(", ");

    function folded(caption, heads, rows, open = false) {
        return loanword.make("details", {open}, loanword.make("summary", {}, caption),
            loanword.make("div", {class: "wide", tabindex: "0", role: "region", "aria-label": caption}, loanword.table(caption, heads, rows)));
    }

    function nearest(neighbours, show) {
        return loanword.table(loanword.say("Nearest in the library"), [loanword.say("Name"), loanword.say("Similarity")],
            neighbours.map(({id, name, similarity}) =>
                [loanword.button(loanword.visible(name), () => show(id), {class: "link"}), loanword.fraction(similarity)]));
    }
})(window.loanword = window.loanword || {});
