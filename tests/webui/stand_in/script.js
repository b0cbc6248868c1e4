// What extensions find in a host's page.
var opts = {extra_networks_add_text_separator: " "};
var uiLoadedCallbacks = [], uiUpdateCallbacks = [], uiLoaded = false;

function gradioApp() {
    return document;
}

function onUiLoaded(callback) {
    uiLoadedCallbacks.push(callback);
}

function onUiUpdate(callback) {
    uiUpdateCallbacks.push(callback);
}

function updateInput(target) {
    target.dispatchEvent(new Event("input", {bubbles: true}));
}

function getTranslation(text) {
    return window.localization[text];
}

document.addEventListener("DOMContentLoaded", function() {
    new MutationObserver(function(records) {
        if (!uiLoaded && document.querySelector("#txt2img_prompt")) {
            uiLoaded = true;
            uiLoadedCallbacks.forEach(function(callback) { callback(); });
        }
        uiUpdateCallbacks.forEach(function(callback) { callback(records); });
    }).observe(document, {childList: true, subtree: true});
});
