package main

import (
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

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
			fmt.Fprintf(a.stdout, "%s %s/%s\nkernels %s\ntransforms %s\nCPUs %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, graph.CPUPath(), strings.Join(graph.Transforms(), " "), runtime.GOMAXPROCS(0))
			if c := caches(os.DirFS("/sys/devices/system/cpu/cpu0/cache")); len(c) > 0 {
				fmt.Fprintln(a.stdout, "caches", strings.Join(c, ", "))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the Go version, the platform, the kernels in use and the CPU's caches too")
	cmd.Flags().BoolVar(&notice, "licenses", false, "print the licences of everything that is linked into gansr")
	return cmd
}

// caches describes a CPU's caches for data, such as "L1 32K", as Linux lists them; other systems have no such folder.
func caches(dir fs.FS) []string {
	var found []string
	indices, _ := fs.Glob(dir, "index*")
	for _, index := range indices {
		read := func(name string) string {
			text, _ := fs.ReadFile(dir, index+"/"+name)
			return strings.TrimSpace(string(text))
		}
		if level, size := read("level"), read("size"); level != "" && size != "" && read("type") != "Instruction" {
			found = append(found, "L"+level+" "+size)
		}
	}
	return found
}
