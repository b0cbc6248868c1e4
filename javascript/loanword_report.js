// What the prompts of a page use: which embeddings, from which files, what they cost, and what is meant but missing.
"use strict";
(function(loanword) {
    loanword.checkPrompts = async function(page) {
        const {page: where} = loanword.target();
        const prompts = {positive: loanword.promptText({page: where, side: "positive"}), negative: loanword.promptText({page: where, side: "negative"})};
        const report = await page.server.post("report", {prompt: prompts.positive, negative_prompt: prompts.negative});
        const titles = [loanword.say("Prompt"), loanword.say("Negative prompt")];
        return loanword.openDialog({
            ...page,
            title: loanword.say("What {page} uses", {page: where}),
            intro: report.prompts.map((each, index) => section(titles[index], each)),
            fields: [],
            buttons: [],
        });
    };

    function section(title, {text, used, unknown, sentences}) {
        const empty = !used.length && !unknown.length;
        return loanword.make("section", {},
            loanword.make("h3", {}, title),
            text ? loanword.make("p", {class: "prompttext"}, text) : null,
            empty ? loanword.make("p", {class: "second"}, loanword.say("It names no embedding.")) : null,
            used.length ? usedTable(title, used) : null,
            unknown.map(missing),
            text ? loanword.make("details", {}, loanword.make("summary", {}, loanword.say("In words")),
                loanword.make("ul", {class: "second"}, sentences.map((each) => loanword.make("li", {}, loanword.told(each))))) : null);
    }

    function usedTable(title, used) {
        const heads = [loanword.say("Embedding"), loanword.say("File"), loanword.say("Cost"), loanword.say("In use")];
        return loanword.table(loanword.say("Embeddings of the {prompt}", {prompt: title}), heads, used.map((each) => [
            loanword.visible(each.name), loanword.visible(each.file),
            loanword.sayCount(each.tokens, "{count} token", "{count} tokens"),
            each.fits ? loanword.make("span", {class: "mark good"}, loanword.say("yes")) :
                loanword.make("span", {class: "mark warn"}, loanword.say("no")),
        ]));
    }

    function missing({written, nearest}) {
        const values = {name: loanword.visible(written), names: nearest.map(loanword.visible).join(", ")};
        return loanword.make("p", {class: "error"}, nearest.length ?
            loanword.say("There is no {name}. Is it {names}?", values) : loanword.say("There is no {name}.", values));
    }
})(window.loanword = window.loanword || {});
