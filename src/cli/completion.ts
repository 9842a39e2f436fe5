/** `plumbline completion <shell>`. */
import { type Command, defineCommand } from './command.js'
import { completionScript, SHELLS } from './completion-scripts.js'
import { choice } from './option.js'

/** @param commands all commands, this one excepted: it is made from them */
export function completionCommand(commands: () => readonly Command[]): Command {
  return defineCommand({
    path: 'completion',
    group: 'other',
    summary: 'Print a script that completes commands in your shell',
    positionals: { shell: choice(SHELLS, { summary: `Your shell: ${SHELLS.join(', ')}`, required: true }) },
    examples: [
      ['completion bash >> ~/.bashrc', 'For bash'],
      ['completion zsh >> ~/.zshrc', 'For zsh, after compinit'],
      ['completion fish > ~/.config/fish/completions/plumbline.fish', 'For fish'],
    ],
    run: async (args, io) => {
      const script = completionScript(args.shell, commands())
      io.output.result({ shell: args.shell, script }, () => script)
      return 0
    },
  })
}
