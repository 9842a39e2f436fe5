/** `plumbline prover`: lets others measure this line. */
import { defineCommand } from './command.js'
import { daemonOptions, proverOptions, runDaemon } from './daemon.js'

export const proverCommand = defineCommand({
  path: 'prover',
  group: 'start',
  summary: 'Let others measure this line, and earn with it',
  description: [
    'Waits for challenges and answers them. The node dials out only, so a line behind NAT needs no open port. A ' +
      'challenge of the standard profile moves up to 1.2 x claim x 0.2 s x 5 of data, 37.5 MB at 250 Mbit/s; ' +
      '--data-cap, --quiet-hours and --allow say when and for whom.',
  ],
  options: { ...proverOptions, ...daemonOptions },
  examples: [
    ['prover --claim 250', 'Serve as a line of 250 Mbit/s'],
    [
      'prover --claim 50 --data-cap 20 --quiet-hours 22:00-06:00',
      'On a plan with a data cap, never at night',
    ],
  ],
  run: (args, io) => runDaemon(args, ['prover'], io),
})
