// What the page says: every sentence goes through `say`, which asks the host's localization for a translation.
"use strict";
(function(loanword) {
    // The host's `getTranslation` also notes the sentence for whoever writes a translation.
    function translated(text) {
        const found = typeof getTranslation === "function" ? getTranslation(text) : (window.localization || {})[text];
        return found || text;
    }

    loanword.say = function(text, values = {}) {
        return translated(text).replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
    };

    loanword.sayCount = function(count, one, many, values = {}) {
        return loanword.say(count === 1 ? one : many, {count: loanword.number(count), ...values});
    };

    loanword.number = (value, digits = 0) => value.toLocaleString(undefined, {maximumFractionDigits: digits});

    // "–" for what is not defined, such as the direction of a vector of zeros.
    loanword.fraction = (value) => (value === null ? "–" : value.toLocaleString(undefined, {minimumFractionDigits: 2, maximumFractionDigits: 2}));

    loanword.size = function(bytes) {
        const units = ["B", "KB", "MB", "GB"];
        let power = 0;
        while (bytes >= 1000 && power < units.length - 1) {
            bytes /= 1000;
            power += 1;
        }
        return `${loanword.number(bytes, bytes < 10 && power ? 1 : 0)} ${units[power]}`;
    };

    // Seconds since 1970.
    loanword.date = (seconds) => new Date(seconds * 1000).toLocaleDateString(undefined, {dateStyle: "medium"});

    // A name as it can be shown: characters that are invisible or turn the text around become visible.
    loanword.visible = function(name) {
        return name.replace(
            /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
            (character) => `\\u{${character.codePointAt(0).toString(16)}}`
        );
    };
})(window.loanword = window.loanword || {});
