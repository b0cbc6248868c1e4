// Talking to /loanword/v1: JSON there and back, the page's token as a header, errors as one sentence.
"use strict";
(function(loanword) {
    const PICTURES_AT_ONCE = 4;
    const PICTURES_KEPT = 400;

    loanword.connect = function(base, token) {
        const address = (path) => new URL(base.replace(/^\/+/, "").replace(/\/?$/, "/") + path, document.baseURI);
        const pictures = new Map();
        const waiting = [];
        let loading = 0;

        async function request(path, options = {}) {
            let answer;
            try {
                answer = await fetch(address(path), {...options, headers: {"X-Loanword-Token": token, ...options.headers}});
            } catch (problem) {
                if (problem.name === "AbortError") throw problem;
                throw new Error(loanword.say("The WebUI does not answer. Is it still running?"));
            }
            if (!answer.ok) throw Object.assign(new Error(await reason(answer)), {status: answer.status});
            return answer;
        }

        async function reason(answer) {
            try {
                return loanword.toldAsSentence((await answer.json()).error.message);
            } catch {
                return loanword.say("The WebUI answered with status {status}.", {status: answer.status});
            }
        }

        const get = async(path, query = {}, signal = undefined) =>
            (await request(`${path}${asQuery(query)}`, {signal})).json();

        const post = async(path, body = {}) => (await request(path, {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify(body),
        })).json();

        async function upload(files) {
            const form = new FormData();
            for (const file of files) form.append("file", file, file.name);
            return (await request("upload", {method: "POST", body: form})).json();
        }

        async function download(path) {
            const answer = await request(path);
            const url = URL.createObjectURL(await answer.blob());
            const name = fileName(answer.headers.get("Content-Disposition") || "");
            loanword.make("a", {href: url, download: name}).click();
            setTimeout(() => URL.revokeObjectURL(url), 60000);
        }

        // Pictures need the token, too; so they are fetched, a few at a time, and kept as blobs.
        function picture(path) {
            if (!pictures.has(path)) {
                pictures.set(path, new Promise((resolve, reject) => waiting.push({path, resolve, reject})));
                loadNext();
            }
            return pictures.get(path);
        }

        async function loadNext() {
            if (loading >= PICTURES_AT_ONCE || !waiting.length) return;
            const {path, resolve, reject} = waiting.pop();
            loading += 1;
            try {
                resolve(URL.createObjectURL(await (await request(path)).blob()));
                forgetOldest();
            } catch (problem) {
                pictures.delete(path);
                reject(problem);
            }
            loading -= 1;
            loadNext();
        }

        function forgetOldest() {
            if (pictures.size <= PICTURES_KEPT) return;
            const [path, url] = pictures.entries().next().value;
            forgetPicture(path, url);
        }

        function forgetPicture(path, url = pictures.get(path)) {
            pictures.delete(path);
            if (url) url.then(URL.revokeObjectURL, () => null);
        }

        return {get, post, upload, download, picture, forgetPicture};
    };

    function asQuery(query) {
        const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
        return given.length ? `?${new URLSearchParams(given)}` : "";
    }

    function fileName(disposition) {
        const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition);
        const plain = /filename="?([^";]+)"?/i.exec(disposition);
        return encoded ? decodeURIComponent(encoded[1]) : plain ? plain[1] : "embedding";
    }
})(window.loanword = window.loanword || {});
