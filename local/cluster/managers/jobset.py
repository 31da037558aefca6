"""JobSet: groups of Jobs. Without its mutating webhook its controller panics on the defaults that nobody set."""

from local.cluster.managers.declaration import Launch, Manager, Release, Site, outside_of_a_pod, settings
from local.toolchain.pins import JOBSET_MODULE


def _launch(release: Release, site: Site) -> Launch:
    document = settings(release, "jobset-manager")
    outside_of_a_pod(document, site)
    # Its own certificates would name a Service; ours name the address that the webhooks are called at.
    document["internalCertManagement"] = {"enable": False}
    document["webhook"]["certDir"] = document["metrics"]["certDir"] = str(site.certificates)
    return Launch(arguments=release.arguments, configuration=document)


JOBSET = Manager(executable="jobset-manager", go_module=JOBSET_MODULE, launch=_launch)
