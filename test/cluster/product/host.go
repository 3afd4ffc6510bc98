package product

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/sluice-mesh/sluice/test/cluster/image"
	"github.com/sluice-mesh/sluice/test/cluster/node"
)

const pathEnv = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// certificates is where Debian keeps the public authorities, in one file.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// base is the layer under every image: users, name lookup, certificates, /tmp.
func base() image.Layer {
	layer := image.Layer{
		{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/sbin/nologin\napp:x:100:101:app:/home/app:/sbin/nologin\n" +
			"envoy:x:1337:1337:envoy:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/app:/sbin/nologin\n")},
		{Path: "/etc/group", Content: []byte("root:x:0:\napp:x:101:\nenvoy:x:1337:\nnogroup:x:65534:\nnonroot:x:65532:\n")},
		// Without it the C library asks DNS before it reads the hosts file.
		{Path: "/etc/nsswitch.conf", Content: []byte("hosts: files dns\n")},
		{Path: "/tmp", Dir: true, Mode: 0o777 | os.ModeSticky},
		{Path: "/home/app", Dir: true},
	}
	if _, err := os.Stat(certificates); err == nil {
		layer = append(layer, image.File{Path: certificates, Source: certificates, Mode: 0o644})
	}
	return layer
}

// hostNeeds is what load tests are written with. They come from the host's
// Debian packages.
var hostNeeds = []node.Need{
	{Program: "bash", Package: "bash", Why: "users exec into it"},
	{Program: "sh", Package: "dash", Why: "scripts"},
	{Program: "curl", Package: "curl", Why: "load tests"},
	{Program: "jq", Package: "jq", Why: "load tests"},
	{Program: "grep", Package: "grep", Why: "scripts"},
	{Program: "sed", Package: "sed", Why: "scripts"},
	{Program: "awk", Package: "mawk", Why: "scripts"},
	{Program: "xargs", Package: "findutils", Why: "scripts"},
	{Program: "ldd", Package: "libc-bin", Why: "finding the libraries that go into images"},
}

// coreutils are those of the package's many programs that shells and scripts
// commonly use.
const coreutils = "[ basename cat cp cut date dirname echo env expr false head hostname id ls mkdir mktemp mv nproc " +
	"printenv printf pwd readlink rm seq sleep sort stat tail tee test timeout touch tr true uname uniq wc whoami"

func (b Builder) hostTools(ctx context.Context) (image.Layer, error) {
	if err := node.Install(ctx, b.Log, hostNeeds); err != nil {
		return nil, err
	}
	programs := map[string]string{}
	for _, n := range hostNeeds {
		if n.Program == "ldd" {
			continue // for us, not for the image
		}
		path, err := exec.LookPath(n.Program)
		if err != nil {
			return nil, err
		}
		programs["/usr/bin/"+n.Program] = path
	}
	for _, name := range strings.Fields(coreutils) {
		if path, err := exec.LookPath(name); err == nil {
			programs["/usr/bin/"+name] = path
		}
	}
	layer, err := image.Programs(programs)
	if err != nil {
		return nil, err
	}
	return append(layer, image.File{Path: "/bin", Link: "usr/bin"}), nil
}
