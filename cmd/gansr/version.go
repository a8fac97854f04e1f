package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/graph"
)

//go:generate go -C _generate run .

// licenses are the licences of everything that is linked into the program.
//
//go:embed licenses.txt
var licenses string

func (a *app) version() *cobra.Command {
	var verbose, notice bool
	cmd := &cobra.Command{
		Use:                   "version [-v] [--licenses]",
		DisableFlagsInUseLine: true,
		Short:                 "Print the version, or the licences of what gansr is made of",
		Example:               "  gansr version -v\n  gansr version --licenses",
		Args:                  args(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			if notice {
				_, err := fmt.Fprint(a.stdout, licenses)
				return err
			}
			version, revision := "(devel)", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			fmt.Fprintln(a.stdout, "gansr", version)
			if !verbose {
				return nil
			}
			if revision != "" {
				fmt.Fprintln(a.stdout, "revision", revision)
			}
			_, err := fmt.Fprintf(a.stdout, "%s %s/%s\nkernels %s\nCPUs %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, graph.CPUPath(), runtime.GOMAXPROCS(0))
			return err
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the Go version, the platform and the kernels in use too")
	cmd.Flags().BoolVar(&notice, "licenses", false, "print the licences of everything that is linked into gansr")
	return cmd
}
