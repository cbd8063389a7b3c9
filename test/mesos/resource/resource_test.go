package resource_test

import (
	"testing"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/resource"
)

func parse(t *testing.T, text string) resource.Bundle {
	t.Helper()
	b, err := resource.Parse(text)
	require.NoError(t, err)
	return b
}

func TestBundle_arithmetic(t *testing.T) {
	total := parse(t, "cpus:4;mem:4096;ports:[31000-31005,31010-31020]")
	task := parse(t, "cpus:0.1;mem:32;ports:[31002-31003]")
	require.True(t, total.Contains(task))
	left := total.Minus(task)
	require.Equal(t, "ports:[31000-31001, 31004-31005, 31010-31020]; cpus:3.9; mem:4064", left.String(""))
	require.False(t, left.Contains(task), "the ports are taken")
	require.Equal(t, total.String(""), left.Plus(task).String(""))
	require.True(t, total.Minus(total).Empty())
	tenth := parse(t, "cpus:0.1")
	require.True(t, parse(t, "cpus:0.3").Minus(tenth).Minus(tenth).Minus(tenth).Empty(), "0.1 three times is 0.3")
}

func TestBundle_reservations(t *testing.T) {
	b := parse(t, "cpus(a):2;cpus:1;mem(b):64")
	require.Equal(t, 3.0, b.ForRole("a").Scalar("cpus"))
	require.Zero(t, b.ForRole("a").Scalar("mem"))
	require.False(t, b.Contains(parse(t, "cpus(b):1")))
	shown := b.ForRole("a").Resources(resource.Format{AllocatedTo: "a", Refined: true})
	require.Equal(t, "a", shown[0].Reservations[0].GetRole())
	require.Nil(t, shown[0].Role)
	require.Empty(t, shown[1].Reservations)
	require.Equal(t, b.ForRole("a").String(""), resource.FromResources(shown).String(""))
}

func TestParse_refuses(t *testing.T) {
	for _, text := range []string{"cpus", "cpus:x", "ports:[1-x]", "ports:[x]"} {
		_, err := resource.Parse(text)
		require.ErrorContains(t, err, text)
	}
	_, err := resource.Attributes("rack")
	require.ErrorContains(t, err, "rack")
}

func TestAttributes_typeFollowsTheText(t *testing.T) {
	attributes, err := resource.Attributes("rack:r1; level:10")
	require.NoError(t, err)
	require.Equal(t, []v1.Attribute{
		{Name: "rack", Type: v1.TEXT, Text: &v1.Value_Text{Value: "r1"}},
		{Name: "level", Type: v1.SCALAR, Scalar: &v1.Value_Scalar{Value: 10}},
	}, attributes)
}
