// Fills the mount point once the host has made it, and again where the host makes it anew.
"use strict";
(function(loanword) {
    const ownAddress = document.currentScript.src;
    const NOT_FOUND = 404;
    const LOOK_AGAIN_MS = 1000;
    const START_MS = 120000;
    const stylesheet = () => new URL("../style.css", ownAddress).href + new URL(ownAddress).search;

    // The page is a shadow tree: the host's rules for text, its translator and its observers leave it alone, and what is
    // typed in it is no command for the host.
    async function mount(host) {
        host.dataset.mounted = "true";
        const root = host.attachShadow({mode: "open"});
        const waiting = loanword.make("p", {class: "state", role: "status"}, loanword.say("Reading the embeddings…"));
        root.append(loanword.make("link", {rel: "stylesheet", href: stylesheet()}), waiting);
        host.addEventListener("keydown", (event) => event.stopPropagation());
        const server = loanword.connect(host.dataset.base, host.dataset.token);
        try {
            loanword.session = await begun(server);
            const tab = new loanword.Tab(root, server, loanword.session);
            waiting.replaceWith(tab.element);
            await tab.load();
            whenShownAgain(host, () => tab.refresh());
        } catch (problem) {
            waiting.setAttribute("role", "alert");
            waiting.replaceChildren(problem.message, " ", loanword.button(loanword.say("Try again"), () => mountAnew(host)));
        }
    }

    // A host answers before it has started its extensions: after "Reload UI", pages come back at once.
    async function begun(server) {
        for (const end = Date.now() + START_MS; ;) {
            try {
                return await server.get("session");
            } catch (problem) {
                if (problem.status !== NOT_FOUND || Date.now() > end) throw problem;
            }
            await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
        }
    }

    function mountAnew(host) {
        const again = host.cloneNode(false);
        delete again.dataset.mounted;
        host.replaceWith(again);
    }

    // Another model may be loaded by then, and other files be there.
    function whenShownAgain(host, act) {
        let hiddenBefore = false;
        new IntersectionObserver(([{isIntersecting: shown}]) => {
            if (shown && hiddenBefore) act();
            hiddenBefore = !shown;
        }).observe(host);
    }

    function mountWhenThere() {
        const host = document.getElementById("loanword-root");
        if (host && !host.dataset.mounted) mount(host);
    }

    // Hosts load these files in any order, all of them before the document is complete.
    function begin() {
        new MutationObserver(mountWhenThere).observe(document, {childList: true, subtree: true});
        mountWhenThere();
    }

    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
    else begin();
})(window.loanword = window.loanword || {});
