/** The card of language-id: README.md from the benchmark's result; no figure is typed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { modelIndex } from './model-index.mjs'

const { PHONE_COUNT } = await import(
  new URL('../../../dist/models/language-id/phonotactics.js', import.meta.url).href
)

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
  drascula: "a game's dialogue at 11 kHz, 8 bits, several actors",
}

export async function writeLanguageIdCard(directory, result) {
  await writeFile(join(directory, 'README.md'), card(result))
}

function card({ sets: { dev, test }, chance, realTimeFactor, threshold }) {
  const shortest = test[3]
  const results = [3, 6, 10].map((seconds) =>
    metric(
      `${test[seconds].utterances} utterances of at least ${seconds} s, six sources that nothing was learnt from`,
      'right, mean of the five languages',
      test[seconds].balanced,
    ),
  )
  for (const { source, language, utterances, right } of shortest.sources)
    results.push(metric(`${utterances} utterances of at least 3 s: ${source} (${language})`, 'right', right))
  const at = (set) => set.thresholds.find((each) => each.threshold === threshold)
  const durations = [3, 6, 10]
    .map((seconds) => {
      const { utterances, balanced, meanOfSources, baselineBalanced } = test[seconds]
      return `| ${seconds} s | ${utterances} | ${figure(balanced)} | ${figure(meanOfSources)} | ${figure(baselineBalanced)} |`
    })
    .join('\n')
  const rows = (set) =>
    set[3].sources
      .map(({ source, language, utterances, right, baseline, heard }) => {
        const longer = [6, 10].map((seconds) => {
          const same = set[seconds].sources.find(
            (each) => each.source === source && each.language === language,
          )
          return same === undefined ? '-' : `${figure(same.right)} (of ${same.utterances})`
        })
        return `| ${source} | ${SOURCES[source]} | ${NAMES[language]} | ${utterances} | ${figure(right)} | ${figure(baseline)} | ${heard.join(' / ')} | ${longer.join(' | ')} |`
      })
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
- ${weak(shortest)}
- less than three seconds of speech, single words, singing, music under speech
- accents of speakers whose first language is another
${modelIndex('language-id', 'audio-classification', results)}
---
# language-id

Which of ${Object.values(NAMES).join(', ')} is spoken: 1.5 million parameters, from some seconds of speech.
Trained by \`plumbline data prepare language-id\` and \`plumbline train language-id\`; this page and the
tuning in config.json are written by \`npm run bench -- language-id --write-card\`.

## How

A network that began as the first four blocks of asr-small hears phones, the same ${PHONE_COUNT} for all languages: where their
spellings have several letters for one sound, these are one phone, so that it hears a sound and need not guess the language
to name it. It attends only to what is near, and learnt from rows in which clips of different languages follow each other.
Which phones follow which in each language was counted in written sentences, as espeak-ng would say them: no voice and no
channel is in those counts (phonotactics.json, which also has how often each phone is heard of all that was learnt from). A
language's score is how likely it makes all that the network may have heard, every path of it, as in parallel phone
recognition (Zissman 1996), divided by how often each phone is heard at all. Seven numbers were chosen on the recordings for
that below: what each of the languages is heard too little, how sure a score is, and from where on it is believed. Bands that
a sound does not reach, as those above 4 kHz of a telephone's, are silent.

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

Right in percent; chance is ${figure(chance)}. Recordings of a source are joined, whole ones, until they last so long; of the two games, lines of several actors.
No speaker, package or channel of these was learnt from, and the tuning was chosen without them. They are not fresh:
prototypes, earlier models of this recipe, and the step from the shares of phones to what follows what were compared on
them, so these figures flatter somewhat. The phone prompts' sentences are other translations of what the Asterisk speakers say. The mean of languages is of what is right of each language's utterances; a mean of sources
flatters, for the source of the fewest utterances is the easiest. The baseline is the language whose mean spectrum is nearest.

| at least | utterances | mean of languages | mean of sources | baseline, mean of languages |
|---|---|---|---|---|
${durations}

By source, at least 3 s; the two columns behind are of at least 6 s and 10 s:

| source | what it is | language | utterances | right | baseline | heard as ${Object.keys(NAMES).join(' / ')} | 6 s | 10 s |
|---|---|---|---|---|---|---|---|---|
${rows(test)}

The commonest mistake: ${worst(shortest)}.

What the tuning was chosen by, at least 3 s, for comparison (mean of languages ${figure(dev[3].balanced)}):

| source | what it is | language | utterances | right | baseline | heard as ${Object.keys(NAMES).join(' / ')} | 6 s | 10 s |
|---|---|---|---|---|---|---|---|---|
${rows(dev)}

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

/** The languages that are more often wrong than right among the people tested. */
function weak({ sources }) {
  const right = Object.keys(NAMES).map((name) => {
    const own = sources.filter(({ language }) => language === name)
    const all = own.reduce((sum, { utterances }) => sum + utterances, 0)
    return {
      name,
      share: own.reduce((sum, { utterances, right }) => sum + (utterances * right) / all, 0),
    }
  })
  const below = right.filter(({ share }) => share < 50).sort((a, b) => a.share - b.share)
  if (below.length === 0) return 'no language is more often wrong than right among the people tested'
  const list = below.map(({ name, share }) => `${NAMES[name]} (${figure(share)} % right)`).join(', ')
  return `at 3 s more often wrong than right among the people tested in ${list}`
}

/** The pair of languages that is mistaken most often, of the source where it is. */
function worst({ sources }) {
  const names = Object.keys(NAMES)
  const [most] = sources
    .flatMap(({ source, language, utterances, heard }) =>
      heard.map((count, i) => ({ source, language, utterances, count, as: names[i] })),
    )
    .filter(({ language, as }) => language !== as)
    .sort((a, b) => b.count - a.count)
  const { source, language, utterances, count, as } = most
  return `${count} of the ${utterances} utterances of ${source} (${NAMES[language]}) are heard as ${NAMES[as]}`
}

const metric = (dataset, name, percent) => ({
  dataset: { name: dataset, type: 'held-out-speech' },
  type: 'accuracy',
  name,
  percent,
})
