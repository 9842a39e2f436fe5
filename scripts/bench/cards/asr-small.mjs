/** The card of asr-small: README.md, split.txt and config.json, from the benchmark's result; no figure is typed. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

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
    metric(name, clips, 'CER, greedy', `${figure(greedy.cer)} %`),
    metric(name, clips, 'WER, greedy', `${figure(greedy.wer)} %`),
    metric(name, clips, 'WER, dictation', `${figure(dictation.wer)} %`),
  ])
  results.push(
    metric(
      'test',
      grammar.clips,
      `closed grammar of ${grammar.sentences} prompts, right`,
      `${figure(grammar.rightPercent)} %`,
    ),
    metric(
      'test',
      grammar.clips,
      `accepted and right at ${operating.threshold}`,
      `${figure(operating.acceptedAndRight)} %`,
    ),
    metric(
      'test',
      grammar.clips,
      'rejected, own sentence taken out of the grammar',
      `${figure(operating.outsideRejected)} %`,
    ),
  )
  const row = (name) => {
    const { clips, greedy, dictation } = sets[name]
    const other = pocketsphinx[name]
    const beside = other === undefined ? '-' : `${figure(other.wer)} / ${figure(other.cer)}`
    return `| ${NAMES[name][0]} | ${clips} | ${figure(greedy.wer)} / ${figure(greedy.cer)} | ${figure(dictation.wer)} / ${figure(dictation.cer)} | ${beside} |`
  }
  const point = (at) =>
    `| ${at.threshold.toFixed(2)} | ${figure(at.acceptedAndRight)} | ${figure(at.acceptedAndWrong)} | ${figure(at.rejected)} | ${figure(at.outsideRejected)} | ${figure(at.strangersRejected)} |`
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
model-index:
- name: asr-small
  results:
${results.join('\n')}
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
${grammar.right} of ${grammar.clips} right without a threshold. With one, in percent; the first line is the operating point. It was chosen on other recordings and
another synthetic voice for what is to be accepted, and for what is to be rejected on all of the last column's synthetic speech,
so that there only LibriVox, 5 clips, is new to it:

| threshold | accepted, right | accepted, wrong | rejected | own sentence taken out: rejected | other speech: rejected |
|---|---|---|---|---|---|
${[operating, ...grammar.curve].map(point).join('\n')}

Where the own sentence is taken out, what is left may differ in one word ("increase" for "decrease", "left" for
"joined"): this is the hardest speech to reject. Other speech is sentences of no grammar in the held-out synthetic voice,
and LibriVox.

## Not good for

Other people's free speech, noise, single letters, names. One real speaker was heard in training: for anything but a
closed grammar, try it on your own recordings first, or add a larger model.
`
}

const metric = (
  name,
  clips,
  type,
  value,
) => `  - dataset: ${JSON.stringify(`${clips} ${NAMES[name][1]}: ${NAMES[name][0]}`)}
    metric: ${JSON.stringify(type)}
    value: ${JSON.stringify(value)}`

/** Split and sentence of each recording that is held out, in a fixed order. */
function splitList(clips) {
  const held = clips.filter(({ path, split }) => path !== undefined && split !== 'train')
  const lines = held.map(({ split, id, text }) => `${split}\t${id}\t${text}\n`)
  return `# split, recording, sentence; "dropped" is neither trained nor tested on: too like a held-out one\n${lines.sort().join('')}`
}
