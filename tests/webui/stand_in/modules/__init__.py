"""A small WebUI: of AUTOMATIC1111's `modules`, what loanword uses, under the same names and with the same behaviour.

`tests/peers/webui_contract.py` compares it with the checkout of a real one.
"""
