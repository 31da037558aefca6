"""Every executable of the toolchain, its exact version, and what building it costs.

The versions in here repeat those of the `go.mod` files only where a linker flag, a plugin directory or a minimum on
PATH needs them; a unit test holds the two together.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MODULES_DIRECTORY: Final = Path(__file__).parent / "modules"

MINIMUM_GO: Final = (1, 26)
PULUMI_VERSION: Final = "3.215.0"
KUBERNETES_PLUGIN: Final = "pulumi-resource-kubernetes"
KUBERNETES_PLUGIN_VERSION: Final = "4.25.0"
KUBERNETES_VERSION: Final = "1.36.3"
ETCD_VERSION: Final = "3.6.14"
KWOK_VERSION: Final = "0.8.0"
KSERVE_VERSION: Final = "0.20.0"
KSERVE_MODULE: Final = "github.com/kserve/kserve"
KUEUE_VERSION: Final = "0.19.2"
KUEUE_MODULE: Final = "sigs.k8s.io/kueue"
JOBSET_VERSION: Final = "0.12.0"
JOBSET_MODULE: Final = "sigs.k8s.io/jobset"
TRAINER_VERSION: Final = "2.3.0"
TRAINER_MODULE: Final = "github.com/kubeflow/trainer/v2"

BUILD_FLAGS: Final = (
    # One set for every module: a different flag would compile the standard library a second time.
    "-trimpath",
    "-buildvcs=false",
    "-pgo=off",
    "-tags=osusergo,grpcnotrace",
    # Inlining and debug information cost a third of the compile time and nothing here is that hot.
    "-gcflags=all=-l -dwarf=false",
)

_SDK: Final = "github.com/pulumi/pulumi/sdk/v3"
_PLUGIN: Final = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_KUBE: Final = "k8s.io/component-base/version"


@dataclass(frozen=True, kw_only=True)
class PathRule:
    """When an executable of the user's own on PATH is as good as ours: at least `minimum`, older than `below`."""

    version_args: tuple[str, ...]
    minimum: tuple[int, ...]
    below: tuple[int, ...]

    def accepts(self, version: str) -> bool:
        """Whether a version such as `3.259.0` lies in the range."""
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        return self.minimum <= numbers < self.below


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What one module adds, in MiB: Go's module cache, Go's build cache, and what we install (linking doubles it)."""

    sources_mib: int
    compiled_mib: int
    installed_mib: int


@dataclass(frozen=True, kw_only=True)
class Executable:
    """One program that is compiled: where its main package is and how it learns its version.

    `cpu_seconds` is what `go build` took in the order of `MODULES`, so that packages which two executables share are
    counted once. It serves estimates only.
    """

    name: str
    version: str
    package: str
    cpu_seconds: int
    link_variables: tuple[tuple[str, str], ...] = ()
    path_rule: PathRule | None = None

    @property
    def ldflags(self) -> str:
        """The linker's arguments: no symbol tables, and the version that the program reports."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.link_variables)])


@dataclass(frozen=True, kw_only=True)
class Script:
    """A file that ships inside a Go module and is installed as it is, beside the executable that looks for it."""

    name: str
    version: str
    go_module: str
    file: str
    beside: str


@dataclass(frozen=True, kw_only=True)
class GoModule:
    """One pinned Go module of ours: a `go.mod`, a `go.sum`, and what is built from them."""

    name: str
    builds: tuple[Executable, ...]
    disk: Disk
    fetch_seconds: int
    scripts: tuple[Script, ...] = ()
    directory: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", MODULES_DIRECTORY / self.name)

    @property
    def tools(self) -> tuple[Executable | Script, ...]:
        """Everything that this module puts into its bin directory."""
        return (*self.builds, *self.scripts)


_KUBE_LINK: Final = (
    (f"{_KUBE}.gitVersion", f"v{KUBERNETES_VERSION}"),
    (f"{_KUBE}.gitMajor", KUBERNETES_VERSION.split(".")[0]),
    (f"{_KUBE}.gitMinor", KUBERNETES_VERSION.split(".")[1]),
)
# One minor only: a controller manager newer than its API server is not supported, and each may come from elsewhere.
_KUBE_ON_PATH: Final = PathRule(version_args=("--version",), minimum=(1, 36, 0), below=(1, 37, 0))
# One minor to either side of the API server is supported: kubernetes.io/releases/version-skew-policy.
_KUBECTL_ON_PATH: Final = PathRule(version_args=("version", "--client"), minimum=(1, 35, 0), below=(1, 38, 0))


def _kubernetes(name: str, cpu_seconds: int, path_rule: PathRule = _KUBE_ON_PATH) -> Executable:
    return Executable(
        name=name,
        version=KUBERNETES_VERSION,
        package=f"k8s.io/kubernetes/cmd/{name}",
        cpu_seconds=cpu_seconds,
        link_variables=_KUBE_LINK,
        path_rule=path_rule,
    )


def _controller(
    module: str,
    name: str,
    package: str,
    version: str,
    *,
    cpu_seconds: int,
    disk: Disk,
    link_variables: tuple[tuple[str, str], ...] = (),
) -> GoModule:
    """A module with one controller in it; none is looked for on PATH, where nobody keeps such programs."""
    build = Executable(
        name=name, version=version, package=package, cpu_seconds=cpu_seconds, link_variables=link_variables
    )
    return GoModule(name=module, builds=(build,), disk=disk, fetch_seconds=10)


# The order is that of the build: the longest and most fragile first, so that the estimate is good early and trouble
# does not come after minutes. Sizes recorded on 2026-11-21 on Linux, 2 cores, 24 GiB, Go 1.26.8, from empty caches,
# with other work on the machine: CPU seconds as measured, disk rounded up.
MODULES: Final = (
    GoModule(
        name="pulumi",
        builds=(
            Executable(
                name="pulumi",
                version=PULUMI_VERSION,
                package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
                cpu_seconds=105,
                link_variables=((f"{_SDK}/go/common/version.Version", f"v{PULUMI_VERSION}"),),
                path_rule=PathRule(version_args=("version",), minimum=(3, 215, 0), below=(4, 0, 0)),
            ),
            Executable(
                name=KUBERNETES_PLUGIN,
                version=KUBERNETES_PLUGIN_VERSION,
                package="./pulumi-resource-kubernetes",
                cpu_seconds=335,
                link_variables=(
                    (f"{_SDK}/go/common/version.Version", f"v{PULUMI_VERSION}"),
                    (f"{_PLUGIN}/pkg/version.Version", KUBERNETES_PLUGIN_VERSION),
                ),
            ),
        ),
        scripts=(
            Script(
                name="pulumi-language-python-exec",
                version=PULUMI_VERSION,
                go_module=_SDK,
                file="python/cmd/pulumi-language-python-exec",
                beside="pulumi",
            ),
            Script(
                name="pulumi-analyzer-policy-python",
                version=PULUMI_VERSION,
                go_module=_SDK,
                file="python/dist/pulumi-analyzer-policy-python",
                beside="pulumi",
            ),
        ),
        disk=Disk(sources_mib=1900, compiled_mib=4200, installed_mib=400),
        fetch_seconds=15,
    ),
    GoModule(
        name="etcd",
        builds=(
            Executable(
                name="etcd",
                version=ETCD_VERSION,
                package="go.etcd.io/etcd/server/v3",
                cpu_seconds=27,
                path_rule=PathRule(version_args=("--version",), minimum=(3, 6, 0), below=(4, 0, 0)),
            ),
        ),
        disk=Disk(sources_mib=300, compiled_mib=200, installed_mib=50),
        fetch_seconds=2,
    ),
    GoModule(
        name="kubernetes",
        builds=(
            _kubernetes("kube-apiserver", 192),
            _kubernetes("kube-scheduler", 16),
            _kubernetes("kube-controller-manager", 40),
            _kubernetes("kubectl", 46, _KUBECTL_ON_PATH),
        ),
        disk=Disk(sources_mib=650, compiled_mib=2500, installed_mib=450),
        fetch_seconds=5,
    ),
    GoModule(
        name="kwok",
        builds=(
            Executable(
                name="kwok",
                version=KWOK_VERSION,
                package="sigs.k8s.io/kwok/cmd/kwok",
                cpu_seconds=63,
                path_rule=PathRule(version_args=("--version",), minimum=(0, 8, 0), below=(0, 9, 0)),
            ),
        ),
        disk=Disk(sources_mib=300, compiled_mib=500, installed_mib=120),
        fetch_seconds=3,
    ),
    # Last: the controllers that only some stacks use. Their go.mod repeat the requirements and replacements of the
    # controllers' own; those of Kueue, JobSet and Trainer are raised to the newest that one of the three asks for (and
    # k8s.io to the control plane's patch release), so that what they share is compiled once.
    _controller(
        "jobset",
        "jobset-manager",
        JOBSET_MODULE,
        JOBSET_VERSION,
        cpu_seconds=115,
        link_variables=((f"{JOBSET_MODULE}/pkg/version.GitVersion", f"v{JOBSET_VERSION}"),),
        disk=Disk(sources_mib=310, compiled_mib=900, installed_mib=80),
    ),
    _controller(
        "trainer",
        "trainer-manager",
        f"{TRAINER_MODULE}/cmd/trainer-controller-manager",
        TRAINER_VERSION,
        cpu_seconds=15,
        disk=Disk(sources_mib=120, compiled_mib=200, installed_mib=70),
    ),
    _controller(
        "kueue",
        "kueue-manager",
        f"{KUEUE_MODULE}/cmd/kueue",
        KUEUE_VERSION,
        cpu_seconds=157,
        link_variables=((f"{KUEUE_MODULE}/pkg/version.GitVersion", f"v{KUEUE_VERSION}"),),
        disk=Disk(sources_mib=350, compiled_mib=1000, installed_mib=190),
    ),
    GoModule(
        name="kserve",
        builds=(
            Executable(
                name="kserve-manager",
                version=KSERVE_VERSION,
                package=f"{KSERVE_MODULE}/cmd/manager",
                cpu_seconds=150,
            ),
            Executable(
                name="kserve-agent",
                version=KSERVE_VERSION,
                package=f"{KSERVE_MODULE}/cmd/agent",
                cpu_seconds=20,
            ),
        ),
        disk=Disk(sources_mib=730, compiled_mib=1000, installed_mib=240),
        fetch_seconds=12,
    ),
)
TOOLS: Final = {tool.name: tool for module in MODULES for tool in module.tools}
MODULE_OF: Final = {tool.name: module for module in MODULES for tool in module.tools}
