package release

import (
	"fmt"
	"testing"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestGatesOfACanary(t *testing.T) {
	for url, want := range map[string]string{
		"http://flagger-loadtester.demo/gate/check":                        "demo/flagger-loadtester:80 /gate/open",
		"http://flagger-loadtester.demo:8080/gate/check/":                  "demo/flagger-loadtester:8080 /gate/open",
		"http://flagger-loadtester.demo.svc.cluster.local:9090/gate/check": "demo/flagger-loadtester:9090 /gate/open",
		"http://flagger-loadtester/tools/gate/check":                       "sluice-system/flagger-loadtester:80 /tools/gate/open",
		"http://gates.example.com/gate/check":                              "gates.example.com is no Service of this cluster; ask whoever runs it, or name its address with --address",
		"https://flagger-loadtester.demo/gate/check":                       "https://flagger-loadtester.demo/gate/check speaks TLS, which its pods do not with a port-forward; name an address that speaks plain HTTP with --address",
		"http://flagger-loadtester.demo/gate/approve":                      "[http://flagger-loadtester.demo/gate/approve (gate)]",
		"http://flagger-loadtester.demo/rollback/check":                    "[http://flagger-loadtester.demo/rollback/check (gate)]",
		"::": "[:: (gate)]",
	} {
		c := &canaryv1beta1.Canary{}
		c.Spec.Analysis = &canaryv1beta1.CanaryAnalysis{Webhooks: []canaryv1beta1.CanaryWebhook{
			{Name: "load", URL: "http://flagger-loadtester.demo/"}, {Name: "gate", Type: canaryv1beta1.ConfirmPromotionHook, URL: url},
		}}
		gates, others := GatesOf(c, false)
		got := fmt.Sprint(others)
		if len(gates) == 1 {
			service, err := gates[0].Service("sluice-system")
			if got = fmt.Sprintf("%s/%s:%d %s", service.Namespace, service.Name, service.Port, gates[0].Path(true)); err != nil {
				got = err.Error()
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func TestOneLoadTesterIsAskedOnce(t *testing.T) {
	c := &canaryv1beta1.Canary{}
	c.Spec.Analysis = &canaryv1beta1.CanaryAnalysis{Webhooks: []canaryv1beta1.CanaryWebhook{
		{Name: "start", Type: canaryv1beta1.ConfirmRolloutHook, URL: "http://lt.demo/gate/check"},
		{Name: "promotion", Type: canaryv1beta1.ConfirmPromotionHook, URL: "http://lt.demo/gate/check"},
		{Name: "back", Type: canaryv1beta1.RollbackHook, URL: "http://lt.demo/rollback/check"},
	}}
	gates, _ := GatesOf(c, false)
	if len(gates) != 1 || fmt.Sprint(gates[0].Hooks) != "[start promotion]" || gates[0].Path(false) != "/gate/close" {
		t.Errorf("%+v", gates)
	}
	if gates, _ = GatesOf(c, true); len(gates) != 1 || gates[0].Path(true) != "/rollback/open" {
		t.Errorf("%+v", gates)
	}
}
