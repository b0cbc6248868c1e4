# ruff: noqa: ARG001  # the signatures are the hosts'
def get_learned_conditioning_prompt_schedules(prompts, base_steps, hires_steps=None, use_old_scheduling=False):
    return [[[base_steps, prompt]] for prompt in prompts]
