package validate

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// BenchmarkLedger judges one Canary after a change of its autoscaler, in clusters of different sizes: it must cost the same.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("canaries=%d", n), func(b *testing.B) {
			ledger := NewLedger(NewIndex(allKinds()...), World{})
			var hpa *autoscalingv2.HorizontalPodAutoscaler
			f := read(b, "testdata/SL002/good.yaml")
			index := f.world.Cluster.(*Index)
			for i := range n {
				name := fmt.Sprintf("app-%d", i)
				for _, ref := range append(index.refs(), mesh.ObjectRef{Kind: kindCanary}) {
					switch o := renamed(index.Object(ref), f.new, name).(type) {
					case *autoscalingv2.HorizontalPodAutoscaler:
						hpa = o
						ledger.Set(ref.Kind, o)
					default:
						ledger.Set(ref.Kind, o)
					}
				}
				ledger.Judge(mesh.ObjectRef{Kind: kindCanary, Namespace: "demo", Name: name})
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, canary := range ledger.Set(kindHPA, hpa) {
					ledger.Judge(canary)
				}
			}
		})
	}
}

// renamed copies an object of a case under another name, with what it refers to.
func renamed(object, canary metav1.Object, name string) metav1.Object {
	switch o := object.(type) {
	case *appsv1.Deployment:
		o = o.DeepCopy()
		o.Name = name
		o.Spec.Selector.MatchLabels["app"], o.Spec.Template.Labels["app"] = name, name
		return o
	case *autoscalingv2.HorizontalPodAutoscaler:
		o = o.DeepCopy()
		o.Name, o.Spec.ScaleTargetRef.Name = name, name
		return o
	case nil:
		c := canary.(*canaryv1beta1.Canary).DeepCopy()
		c.Name, c.Spec.TargetRef.Name, c.Spec.AutoscalerRef.Name = name, name, name
		return c
	}
	return object
}
