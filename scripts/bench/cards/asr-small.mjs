/** The card of asr-small: README.md, split.txt and config.json, from the benchmark's result; no figure is typed. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { modelIndex } from './model-index.mjs'

const figure = (value) => value.toFixed(1)
const NAMES = {
  test: ['held-out Asterisk prompts, 16 kHz, one real speaker', 'recordings'],
  voice: ['the same sentences in a synthetic voice that is not trained on (flite rms)', 'clips'],
  librivox: ['LibriVox clips of pocketsphinx-testdata, other speakers, read prose', 'clips'],
}

/** @param clips everything that is not trained on. */
export async function writeAsrSmallCard(directory, result, clips) {
  const configPath = join(directory, 'config.json')
  const config = JSON.parse(await readFile(configPath, 'utf8'))
  const { operating } = result.grammar
  const chosen = {
    ...config,
    dictation: result.languageModel,
    grammar: { threshold: operating.threshold },
  }
  await writeFile(configPath, `${JSON.stringify(chosen, null, 2)}\n`)
  await writeFile(join(directory, 'README.md'), card(result))
  await writeFile(join(directory, 'split.txt'), splitList(clips))
}

function card({ sets, grammar, pocketsphinx, realTimeFactor, languageModel }) {
  const { operating } = grammar
  const results = Object.entries(sets).flatMap(([name, { clips, greedy, dictation }]) => [
    metric(name, clips, 'cer', 'CER, greedy', greedy.cer),
    metric(name, clips, 'wer', 'WER, greedy', greedy.wer),
    metric(name, clips, 'wer', 'WER, dictation', dictation.wer),
  ])
  const closed = (name, percent) => results.push(metric('test', grammar.clips, 'accuracy', name, percent))
  closed(`closed grammar of ${grammar.sentences} prompts, right`, grammar.rightPercent)
  closed(`accepted and right at ${operating.threshold}`, operating.acceptedAndRight)
  closed('rejected, own sentence taken out of the grammar', operating.outsideRejected)
  const row = (name) => {
    const { clips, greedy, dictation } = sets[name]
    const other = pocketsphinx[name]
    const beside = other === undefined ? '-' : `${figure(other.wer)} / ${figure(other.cer)}`
    return `| ${NAMES[name][0]} | ${clips} | ${figure(greedy.wer)} / ${figure(greedy.cer)} | ${figure(dictation.wer)} / ${figure(dictation.cer)} | ${beside} |`
  }
  const point = (at) =>
    `| ${at.threshold.toFixed(2)} | ${figure(at.acceptedAndRight)} | ${figure(at.acceptedAndWrong)} | ${figure(at.rejected)} | ${figure(at.outsideRejected)} | ${figure(at.strangersRejected)} |`
  const tuned = ({ threshold, insideRejected, outsideAccepted }) =>
    `| ${threshold.toFixed(2)} | ${figure(insideRejected)} | ${figure(outsideAccepted)} | ${figure(insideRejected + outsideAccepted)} |`
  return `---
license: cc-by-sa-3.0
language:
- en
datasets:
- Asterisk core sounds, English (one speaker; CC-BY-SA-3.0)
- synthetic speech of flite, festival and espeak-ng, reading WordNet's examples, the King James Bible, prompts and numbers
limitations:
- it has learnt from one real speaker; other people, noise and read prose are recognised badly
- single words and spelt letters are weak
- no punctuation, no capitals, numbers as words
- dictation is experimental
${modelIndex('asr-small', 'automatic-speech-recognition', results)}
---
# asr-small

English speech to lower-case letters, 2.2 million parameters, for closed grammars: commands, prompts, numbers.
Trained from scratch by \`plumbline data prepare asr-small\` and \`plumbline train asr-small\`; this page is written by
\`npm run bench -- asr-small --write-card\`.

## Provenance

The recordings are Debian's asterisk-core-sounds-en-g722; the weights are under their licence. Synthetic speech is
that of Debian's flite, festival and espeak-ng. \`split.txt\` lists what is held out. No sentence that is trained on, by
sound or by the language model's text, is the same as one that is held out, contains it, is contained in it (from
three words on) or nearly is it; src/models/asr-small/split.ts has the rule, and a test checks it independently.
One has its words in another order: "there are currently" is held out, "currently there are" is trained on.

## How well

Errors in percent of words / characters. Dictation uses the word trigram with weight ${languageModel.alpha} and ${languageModel.beta} a word, chosen on
15 other held-out sentences. pocketsphinx has its default model and hears the same recordings.

| set | clips | greedy WER / CER | dictation WER / CER | pocketsphinx WER / CER |
|---|---|---|---|---|
${Object.keys(sets).map(row).join('\n')}

Processor time over sound: ${realTimeFactor.toFixed(4)}, one thread.

Closed grammar of the exchange's ${grammar.sentences} prompts, the held-out sentences among them, on the held-out recordings:
${grammar.right} of ${grammar.clips} right without a threshold. With one, in percent; the first line is the operating point.

The threshold is the one of 0.01, 0.02 ... 0.99 with the least sum of two errors, each in percent of its clips: the sentences of
the grammar that are rejected, on ${grammar.tuning.inside} other recordings and clips of another synthetic voice, and the speech that is accepted though
its sentence is not in the grammar (the same clips with their own sentence taken out, and ${grammar.tuning.strangers} clips of other sentences), ${grammar.tuning.outside} clips.
At the operating point those errors are ${figure(grammar.tuning.chosen.insideRejected)} and ${figure(grammar.tuning.chosen.outsideAccepted)}.
All of the last column's synthetic speech was chosen by, so that there only LibriVox, 5 clips, is new to it:

| threshold | accepted, right | accepted, wrong | rejected | own sentence taken out: rejected | other speech: rejected |
|---|---|---|---|---|---|
${[operating, ...grammar.curve].map(point).join('\n')}

What the threshold was chosen by, in percent:

| threshold | of the grammar: rejected | not of it: accepted | sum |
|---|---|---|---|
${grammar.tuning.curve.map(tuned).join('\n')}

The test recordings chose nothing. The first table shows what a lower threshold would have given on them; \`transcribe --threshold\` takes any.

Where the own sentence is taken out, what is left may differ in one word ("increase" for "decrease", "left" for
"joined"): this is the hardest speech to reject. Other speech is sentences of no grammar in the held-out synthetic voice,
and LibriVox.

## Not good for

Other people's free speech, noise, single letters, names. One real speaker was heard in training: for anything but a
closed grammar, try it on your own recordings first, or add a larger model.
`
}

const metric = (set, clips, type, name, percent) => ({
  dataset: { name: `${clips} ${NAMES[set][1]}: ${NAMES[set][0]}`, type: `asr-small-${set}` },
  type,
  name,
  percent,
})

/** Split and sentence of each recording that is held out, in a fixed order. */
function splitList(clips) {
  const held = clips.filter(({ path, split }) => path !== undefined && split !== 'train')
  const lines = held.map(({ split, id, text }) => `${split}\t${id}\t${text}\n`)
  return `# split, recording, sentence; "dropped" is neither trained nor tested on: too like a held-out one\n${lines.sort().join('')}`
}
