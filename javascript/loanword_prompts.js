// Putting an embedding into the host's prompts, as its own cards do: at the end, and out again at the second click.
"use strict";
(function(loanword) {
    const KEY = "loanword-target";
    const PROMPTS = {positive: "prompt", negative: "neg_prompt"};

    // Which prompt a click goes to: {page: "txt2img" | "img2img", side: "positive" | "negative"}.
    loanword.target = function() {
        const stored = JSON.parse(localStorage.getItem(KEY) || "{}");
        return {
            page: stored.page === "img2img" ? "img2img" : "txt2img",
            side: stored.side === "negative" ? "negative" : "positive",
        };
    };

    loanword.setTarget = (change) => localStorage.setItem(KEY, JSON.stringify({...loanword.target(), ...change}));

    loanword.otherSide = (side) => (side === "negative" ? "positive" : "negative");

    // What a prompt has to say for it: the trigger, weighted where the user prefers another weight than 1.
    loanword.written = function({trigger, preferred_weight: weight}) {
        return trigger && weight && weight !== 1 ? `(${trigger}:${weight})` : trigger;
    };

    const areaOf = ({page, side}) => document.querySelector(`#${page}_${PROMPTS[side]} textarea`);

    loanword.promptText = (target) => (areaOf(target) || {value: ""}).value;

    // Puts `text` into a prompt or takes it out; true for in, false for out, null where the page has no such prompt.
    loanword.togglePrompt = function(text, target) {
        const area = areaOf(target);
        if (!area) return null;
        const without = taken(area.value, text);
        area.value = without === null ? joined(area.value, text) : without;
        area.dispatchEvent(new Event("input", {bubbles: true}));
        return without === null;
    };

    loanword.targetTitle = ({page, side}) =>
        loanword.say(side === "negative" ? "negative prompt of {page}" : "prompt of {page}", {page});

    function joined(prompt, text) {
        const rest = prompt.trimEnd();
        return !rest ? text : `${rest}${/[,\n]$/.test(rest) ? " " : ", "}${text}`;
    }

    // The prompt without the part that is `text`, or null where no part is.
    function taken(prompt, text) {
        const parts = prompt.split(/,/);
        const kept = parts.filter((part) => part.trim() !== text);
        return kept.length === parts.length ? null : kept.join(",").trim();
    }
})(window.loanword = window.loanword || {});
