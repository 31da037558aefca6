// Command resource-kubernetes is pulumi-resource-kubernetes without the schema that upstream embeds.
//
// Upstream's own main embeds generated files that the published module does not contain. The full schema is only
// read by `pulumi import` and by SDK generation; a program run needs no more than the name and the version.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

const parentPoll = time.Second

// endWithParent ends this process when the engine is gone: a killed engine closes nothing, and upstream waits for ever.
// Linux's parent-death signal would not do: it follows the thread that forked, not the process.
func endWithParent() {
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(parentPoll)
	}
	os.Exit(1)
}

func main() {
	go endWithParent()
	schema := fmt.Sprintf(`{"name": "kubernetes", "version": %q}`, version.Version)
	provider.Serve("kubernetes", version.Version, []byte(schema), []byte("{}"))
}
