// Command resource-kubernetes is pulumi-resource-kubernetes without the schema that upstream embeds.
//
// Upstream's own main embeds generated files that the published module does not contain. The full schema is only
// read by `pulumi import` and by SDK generation; a program run needs no more than the name and the version.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	schema := fmt.Sprintf(`{"name": "kubernetes", "version": %q}`, version.Version)
	provider.Serve("kubernetes", version.Version, []byte(schema), []byte("{}"))
}
