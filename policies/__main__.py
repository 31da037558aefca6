"""``pulumi preview --policy-pack policies`` starts this; `policies.pack` is what it serves."""

from policies.pack_server import serve

serve()
