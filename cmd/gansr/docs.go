package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docs writes documentation that is made of the commands themselves, for packagers.
func (a *app) docs() *cobra.Command {
	cmd := &cobra.Command{Use: "docs", Short: "Write documentation of the commands", Hidden: true, Args: args(0, 0, "")}
	cmd.AddCommand(&cobra.Command{
		Use:     "man DIR",
		Short:   "Write man pages",
		Example: "  gansr docs man man/man1",
		Args:    args(1, 1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			cmd.Root().DisableAutoGenTag = true
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "GANSR", Section: "1"}, args[0])
		},
	})
	return cmd
}
