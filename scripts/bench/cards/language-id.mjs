/** The card of language-id: README.md from the benchmark's result; no figure is typed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const figure = (value) => value.toFixed(1)
const NAMES = { en: 'English', fr: 'French', es: 'Spanish', it: 'Italian', ru: 'Russian' }
/** What is known of each held-out source. */
const SOURCES = {
  'asterisk-prompt-es-co': 'telephone prompts, GSM, one Colombian woman',
  'asterisk-prompt-fr-armelle': 'telephone prompts, GSM, one woman',
  'asterisk-prompt-it-menardi-wav': 'telephone prompts, 8 kHz, one woman',
  'festvox-ru': 'read sentences of a voice for synthesis, one man',
  'flight-of-the-amazon-queen': "a game's dialogue, MP3, several actors",
  'pocketsphinx-testdata': 'LibriVox, read prose, one speaker',
  hedgewars: "shouts of a game's voices, several speakers",
  ktuberling: 'single words of a game for children',
}

export async function writeLanguageIdCard(directory, result) {
  await writeFile(join(directory, 'README.md'), card(result))
}

function card({ sets: { dev, test }, chance, realTimeFactor, threshold }) {
  const shortest = test[3]
  const results = [3, 6, 10].map((seconds) =>
    metric(
      `${test[seconds].utterances} utterances of at least ${seconds} s, six sources that nothing was learnt from or chosen by`,
      'right, mean of sources',
      `${figure(test[seconds].meanOfSources)} %`,
    ),
  )
  for (const { source, language, utterances, right } of shortest.sources)
    results.push(
      metric(
        `${utterances} utterances of at least 3 s: ${source} (${language})`,
        'right',
        `${figure(right)} %`,
      ),
    )
  const at = (set) => set.thresholds.find((each) => each.threshold === threshold)
  const durations = [3, 6, 10]
    .map((seconds) => {
      const { utterances, meanOfSources, meanOfLanguages, baselineMeanOfSources } = test[seconds]
      return `| ${seconds} s | ${utterances} | ${figure(meanOfSources)} | ${figure(meanOfLanguages)} | ${figure(baselineMeanOfSources)} |`
    })
    .join('\n')
  const rows = (set) =>
    set.sources
      .map(
        ({ source, language, utterances, right, baseline, heard }) =>
          `| ${source} | ${SOURCES[source]} | ${NAMES[language]} | ${utterances} | ${figure(right)} | ${figure(baseline)} | ${heard.join(' / ')} |`,
      )
      .join('\n')
  const thresholds = shortest.thresholds
    .map((each) => `| ${each.threshold.toFixed(2)} | ${figure(each.told)} | ${figure(each.right)} |`)
    .join('\n')
  return `---
license: gpl-3.0
language:
${Object.keys(NAMES)
  .map((name) => `- ${name}`)
  .join('\n')}
base_model: asr-small
datasets:
- Asterisk core sounds in English, French, Spanish, Italian (CC-BY-SA-3.0) and Russian (CC-BY-3.0), one speaker each
- Tux Paint's stamps in eleven languages (tuxpaint-stamps-default, GPL-2.0-or-later)
- synthetic speech of espeak-ng, flite and festival, reading the Debian Administrator's Handbook (GPL-2.0-or-later or CC-BY-SA-3.0)
limitations:
- five languages only; speech in any other is called one of them
- a wrong answer is common for people and channels it has not heard; see the figures by source
- less than three seconds of speech, single words, singing, music under speech
- accents of speakers whose first language is another
model-index:
- name: language-id
  results:
${results.join('\n')}
---
# language-id

Which of ${Object.values(NAMES).join(', ')} is spoken: 1.2 million parameters, from some seconds of speech.
Trained by \`plumbline data prepare language-id\` and \`plumbline train language-id\`; this page and the
tuning in config.json are written by \`npm run bench -- language-id --write-card\`.

## How

A network that began as the first four blocks of asr-small writes phones, the same 60 for all languages; it attends only to
what is near, and learns from rows in which clips of different languages follow each other, so that it cannot first guess
the language and then write what is usual in it. Which phone follows which in what it writes, counted for each language over
the recordings that were learnt from, varied in speed, throat, noise and band, is what tells the languages apart.

## Provenance

| learnt from | licence |
|---|---|
| asterisk-core-sounds-en, -fr, -es, -it (-g722): Allison Smith, June Wallack and others | CC-BY-SA-3.0 |
| asterisk-core-sounds-ru-g722: Maxim Topal | CC-BY-3.0 |
| tuxpaint-stamps-default: Bill Kendrick and contributors | GPL-2.0-or-later |
| debian-handbook (sentences that were spoken): Raphaël Hertzog, Roland Mas, Freexian | GPL-2.0-or-later or CC-BY-SA-3.0 |
| festvox-italp16k, festvox-itapc16k (voices): IFM Development Team | GPL-2.0-or-later |
| flite (voices slt, awb, rms, kal16) | BSD-like |
| espeak-ng (program) | GPL-3.0-or-later |
| asr-small (first weights) | CC-BY-SA-3.0 |

The weights are under the GNU General Public License, version 3, the one licence that all of these lead to: works under
CC-BY-SA-3.0 may be adapted under CC-BY-SA-4.0, whose adaptations may be under the GPL 3. Packages whose licence does not
lead there, such as fillets-ng-data-nl (GPL-2.0 only), are not learnt from.

## How well

Right in percent; chance is ${figure(chance)}. Recordings of a speaker are joined, whole ones, until they last so long.
No speaker, package or channel of these was learnt from, and nothing was chosen by them; the phone prompts' sentences are
other translations of what the Asterisk speakers say. The baseline is the language whose mean spectrum is nearest.

| at least | utterances | mean of sources | mean of languages | baseline, mean of sources |
|---|---|---|---|---|
${durations}

By source, at least 3 s:

| source | what it is | language | utterances | right | baseline | heard as ${Object.keys(NAMES).join(' / ')} |
|---|---|---|---|---|---|---|
${rows(shortest)}

What the tuning was chosen by, at least 3 s, for comparison (mean of sources ${figure(dev[3].meanOfSources)}):

| source | what it is | language | utterances | right | baseline | heard as ${Object.keys(NAMES).join(' / ')} |
|---|---|---|---|---|---|---|
${rows(dev[3])}

\`identify\` says that it is not sure below a probability of ${threshold}: ${figure(at(shortest).told)} % of the utterances of at least 3 s are above it,
and ${figure(at(shortest).right)} % of those are right.

| probability at least | told | right of those |
|---|---|---|
${thresholds}

Processor time over sound: ${realTimeFactor.toFixed(4)}, one thread.

## Not good for

Deciding anything about a person. Other languages than these five, which it cannot reject. Short or noisy recordings, and
speakers unlike those above: try it on your own recordings first.
`
}

const metric = (dataset, name, value) =>
  `  - dataset: ${JSON.stringify(dataset)}\n    metric: ${JSON.stringify(name)}\n    value: ${JSON.stringify(value)}`
