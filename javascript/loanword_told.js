// What the server says, in the user's language. The host's localization has its sentences with gaps, `{}`, for names and
// numbers; a gap of a translation takes what stands there, or by its number, `{1}`, another of them.
"use strict";
(function(loanword) {
    const REMEMBERED = 2000;
    const MOST_CLAUSES = 8;
    const answers = new Map();
    let known = null;

    // Clauses are translated one by one, and so is what stands in gaps; what is not known stays as it is.
    loanword.told = (text) => remembered(text) ?? text;

    // What begins as the rest of a message does is a sentence on its own; names that it begins with stay as they are.
    loanword.toldAsSentence = function(text) {
        const said = loanword.told(text);
        return /^\p{Ll}+[ ,;]/u.test(said) ? capital(said) : said;
    };

    function remembered(text) {
        if (!answers.has(text)) {
            if (answers.size >= REMEMBERED) answers.clear();
            answers.set(text, retold(text));
        }
        return answers.get(text);
    }

    function retold(text) {
        known = known || sentences(window.localization || {});
        const end = text.endsWith(".") ? "." : "";
        const body = end ? text.slice(0, -1) : text;
        const found = exact(body) ?? inClauses(body) ?? aroundColon(body, exact) ?? filled(body) ?? aroundColon(body, remembered);
        return found === null ? null : found + end;
    }

    // By their beginnings in small letters; those with gaps with their longest first, which say most.
    function sentences(localization) {
        const whole = new Map();
        const gapped = [];
        for (const [key, translation] of Object.entries(localization)) {
            if (typeof translation !== "string" || !key.includes(" ")) continue;
            const pieces = key.split("{}");
            if (pieces.length === 1) whole.set(small(key), {key, translation});
            else gapped.push({key, translation, pieces, length: key.length - 2 * (pieces.length - 1)});
        }
        return {whole, gapped: gapped.sort((one, other) => other.length - one.length)};
    }

    function exact(text) {
        const found = known.whole.get(small(text));
        return found ? begunAs(text, found) : null;
    }

    function inClauses(text) {
        for (const [before, after] of divisions(text, "; ")) {
            const [first, rest] = [remembered(before), remembered(after)];
            if (first !== null && rest !== null) return `${first}; ${rest}`;
        }
        return null;
    }

    function filled(text) {
        for (const each of known.gapped) {
            const values = inGaps(text, each.pieces);
            if (!values) continue;
            let next = 0;
            const sentence = each.translation.replace(/\{(\d*)\}/g, (gap, number) => loanword.told(values[number || next++] ?? gap));
            return begunAs(text, {...each, translation: sentence});
        }
        return null;
    }

    // Where one of the sides is what `asked` knows, the other may be anything.
    function aroundColon(text, asked) {
        for (const [before, after] of divisions(text, ": ")) {
            if ((asked(before) ?? asked(after)) !== null) return `${loanword.told(before)}: ${loanword.told(after)}`;
        }
        return null;
    }

    // What stands in the gaps between `pieces`, each as early as can be: so no text takes longer than reading it.
    function inGaps(text, pieces) {
        const [first, last] = [pieces[0], pieces[pieces.length - 1]];
        const end = text.length - last.length;
        if (!small(text).startsWith(small(first)) || !text.endsWith(last)) return null;
        const values = [];
        let position = first.length;
        for (const piece of pieces.slice(1, -1)) {
            const place = text.indexOf(piece, position);
            if (place < 0) return null;
            values.push(text.slice(position, place));
            position = place + piece.length;
        }
        return position > end ? null : [...values, text.slice(position, end)];
    }

    function *divisions(text, separator) {
        if (text.split(separator).length > MOST_CLAUSES) return;
        for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, at + 1)) {
            yield [text.slice(0, at), text.slice(at + separator.length)];
        }
    }

    // Where the server has made a sentence of it, the translation is one, too.
    const begunAs = (text, {key, translation}) => (key[0] !== "{" && text[0] !== key[0] ? capital(translation) : translation);

    const small = (text) => text.replace(/^[A-Z]/, (letter) => letter.toLowerCase());

    const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
})(window.loanword = window.loanword || {});
