"""loanword in ComfyUI: every embedding is usable in prompts, and nodes do what else can be done with them."""
