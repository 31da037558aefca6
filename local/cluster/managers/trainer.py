"""Kubeflow Trainer: turns TrainJobs and their runtimes into JobSets."""

from local.cluster.managers.declaration import Launch, Manager, Release, Site, outside_of_a_pod, settings
from local.toolchain.pins import TRAINER_MODULE


def _launch(release: Release, site: Site) -> Launch:
    document = settings(release, "trainer-manager")
    outside_of_a_pod(document, site)
    # Certificates lie where controller-runtime looks by default: below the temporary directory.
    document["certManagement"] = {"enable": False}
    return Launch(arguments=release.arguments, configuration=document)


TRAINER = Manager(executable="trainer-manager", go_module=TRAINER_MODULE, launch=_launch)
