/** `plumbline challenger`: sends the traffic that measures others. */
import { defineCommand } from './command.js'
import { challengerOptions, daemonOptions, runDaemon } from './daemon.js'

export const challengerCommand = defineCommand({
  path: 'challenger',
  group: 'start',
  summary: "Measure other people's lines with this one's uplink",
  description: [
    'Serves as a member of committees. It needs a public address with one TCP and one UDP port open (4021 and 4022 ' +
      'unless set otherwise), and an entry in the registry that the payers use. Weak lines serve in larger teams.',
  ],
  options: { ...challengerOptions, ...daemonOptions },
  examples: [
    ['challenger --uplink 500 --operator example.org', 'Serve with 500 Mbit/s'],
    ['challenger --uplink 40 --announce /ip4/203.0.113.7/tcp/4021', 'Behind a port forwarding'],
  ],
  run: (args, io) => runDaemon(args, ['challenger'], io),
})
