package xds

import (
	"path"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Certificates in files come as secrets that name the files, and not as file names in listeners and clusters: Envoy
// refuses a listener whose file is missing, and everything else in its message; and it looks into the files of secrets
// again when they change.

// certificateSecret asks for a certificate, and adds it to what the proxy gets if it is in files.
func (t *translation) certificateSecret(c mesh.Certificate) *tlsv3.SdsSecretConfig {
	name := c.SecretName()
	if c.SDS != "" {
		return machineSecret(name)
	}
	t.addSecret(certificateFiles(c))
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: ads()}
}

// authoritiesSecret does the same for authorities.
func (t *translation) authoritiesSecret(a mesh.Authorities) *tlsv3.SdsSecretConfig {
	name := a.SecretName()
	if a.SDS != "" {
		return machineSecret(name)
	}
	t.addSecret(authoritiesFile(a))
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: ads()}
}

func certificateFiles(c mesh.Certificate) *tlsv3.Secret {
	return &tlsv3.Secret{Name: c.SecretName(), Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: file(c.Chain), PrivateKey: file(c.Key), WatchedDirectory: directoryOf(c.Chain),
	}}}
}

func authoritiesFile(a mesh.Authorities) *tlsv3.Secret {
	return &tlsv3.Secret{Name: a.SecretName(), Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
		TrustedCa: file(a.File), WatchedDirectory: directoryOf(a.File),
	}}}
}

func (t *translation) addSecret(s *tlsv3.Secret) {
	if !t.secrets[s.GetName()] {
		t.secrets[s.GetName()] = true
		t.out.Secrets = append(t.out.Secrets, s)
	}
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}

// directoryOf is watched for renamed files. The kubelet replaces all files of a Secret by renaming one symbolic link
// beside them, which nobody sees who watches the files.
func directoryOf(name string) *corev3.WatchedDirectory {
	return &corev3.WatchedDirectory{Path: path.Dir(name)}
}

// machinePatience is how long a proxy holds back what needs a secret of its machine's discovery service. Without a limit
// a machine without that service would keep a whole proxy from starting. Afterwards connections that need the secret
// fail, until it comes.
const machinePatience = 5 * time.Second

// machineSecret asks the secret discovery service of the pod's machine.
func machineSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ResourceApiVersion:  corev3.ApiVersion_V3,
		InitialFetchTimeout: durationpb.New(machinePatience),
		ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
			ApiType:                   corev3.ApiConfigSource_GRPC,
			TransportApiVersion:       corev3.ApiVersion_V3,
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: mesh.SDSCluster},
			}}},
		}},
	}}
}
