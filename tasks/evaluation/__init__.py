"""The offline trial before any traffic: data contract, scores, parity, serving and signature.

Every pure file ends in ``Evidence`` of kind ``check``. Too little to say is ``scarce`` and
holds; broken observations raise ``EvidenceError``; neither is ever a pass.
"""
