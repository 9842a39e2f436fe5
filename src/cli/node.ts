/** `plumbline node`: several roles in one process. */
import { defineCommand } from './command.js'
import { challengerOptions, daemonOptions, proverOptions, providerOptions, runDaemon } from './daemon.js'
import { list } from './option.js'
import { ROLE_NAMES } from './roles.js'

export const nodeCommand = defineCommand({
  path: 'node',
  group: 'start',
  summary: 'Several roles in one process',
  options: {
    roles: list({
      summary: 'What to do',
      choices: ROLE_NAMES,
      placeholder: 'role,...',
      defaultText: 'roles of the configuration',
    }),
    ...proverOptions,
    ...challengerOptions,
    ...providerOptions,
    ...daemonOptions,
  },
  examples: [
    ['node', 'Play the roles that the configuration names'],
    ['node --roles prover,challenger --claim 250 --uplink 50', 'Be measured, and measure others'],
    ['node --roles auditor', 'Run a share of what others sell again, and tell what it finds'],
  ],
  run: (args, io) => runDaemon(args, args.roles, io),
})
