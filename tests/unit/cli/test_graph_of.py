from cli.graph_of import graph_of
from local.cloud.recording import RecordedResource, Recording
from policies.graph import SECRET


def test_a_plan_becomes_a_graph_without_its_secrets() -> None:
    item = RecordedResource(
        urn="urn:pulumi:dev::slipway::aws:s3/bucket:Bucket::lake",
        type="aws:s3/bucket:Bucket",
        name="lake",
        custom=True,
        provider="urn:pulumi:dev::slipway::pulumi:providers:aws::main::id",
        inputs={"bucket": "b", "policy": "hunter2"},
        outputs={"arn": "arn", "policy": "hunter2"},
        secrets=frozenset({"policy"}),
        options={"retainOnDelete": True, "ignoreChanges": ["tags"]},
    )
    graph = graph_of(Recording(project="slipway", stack="dev", resources=[item]), simulated=True)
    (lake,) = graph.resources
    assert (lake.properties, lake.outputs) == ({"bucket": "b", "policy": SECRET}, {"arn": "arn", "policy": SECRET})
    assert (lake.retain_on_delete, lake.ignore_changes) == (True, ("tags",))
    assert lake.provider.endswith("::main")
    assert (graph.stack, graph.simulated, graph.preview) == ("dev", True, False)
