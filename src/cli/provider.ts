/** `plumbline provider`: sells work of this machine's models. */
import { defineCommand } from './command.js'
import { daemonOptions, providerOptions, runDaemon } from './daemon.js'

export const providerCommand = defineCommand({
  path: 'provider',
  group: 'start',
  summary: "Sell work of this machine's models",
  description: [
    'Runs jobs that clients send: recordings to transcribe, texts to speak, and so on. A price above 0 wei is a unit ' +
      '(an audio-second, or 1,000 characters of text) on the chain of the configuration: clients open payment channels ' +
      'there, and sign a voucher for each job. Models run at low priority in processes of their own, and stand still ' +
      'while this node measures or is measured.',
    'A beacon draws one paid job in twenty; its input and output are kept for a day, for auditors: challengers with a seat ' +
      'on the chain, and those of inference.provider.auditors. All others are thrown away within a minute or so, and of ' +
      'free jobs, and of clients that opt out, nothing is kept. A job that was drawn and cannot be produced counts as ' +
      'failed. Models for non-commercial use are given away or not offered at all, unless the ' +
      'configuration says in words that their work may be sold.',
  ],
  options: { ...providerOptions, ...daemonOptions },
  examples: [
    ['provider --sell "asr-small=0 wei"', 'Give transcriptions away'],
    ['provider --sell "asr-small=2000 gwei"', 'Sell them, on the chain of the configuration'],
  ],
  run: (args, io) => runDaemon(args, ['provider'], io),
})
