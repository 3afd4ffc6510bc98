package realkube_test

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

func TestOurKindsAreServed(t *testing.T) {
	config := realkube.Start(t)
	namespace := realkube.Namespace(t, config, nil)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{
		{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "virtualnodes"},
		{Group: "flagger.app", Version: "v1beta1", Resource: "canaries"},
	} {
		list, err := client.Resource(resource).Namespace(namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("list %s in a new namespace: %d, %v", resource.Resource, len(list.Items), err)
		}
	}
}
