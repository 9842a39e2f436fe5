/** What a recipe's data is made of: Debian packages, told by a file of theirs. Nothing is installed from here. */
import { access } from 'node:fs/promises'

export interface Need {
  /** Debian's name. */
  readonly package: string
  /** A file that is there where the package is installed. */
  readonly file: string
  readonly purpose: string
  /** SPDX or Debian's own words. */
  readonly licence: string
  /** Only figures beside ours come from it. */
  readonly optional?: boolean
}

export interface NeedState extends Need {
  readonly isPresent: boolean
}

export const checkNeeds = (needs: readonly Need[]): Promise<readonly NeedState[]> =>
  Promise.all(
    needs.map(async (need) => ({
      ...need,
      isPresent: await access(need.file).then(
        () => true,
        () => false,
      ),
    })),
  )

/** The line that installs what is missing; undefined where nothing is. */
export function installLine(states: readonly NeedState[]): string | undefined {
  const missing = states.filter(({ isPresent, optional }) => !isPresent && optional !== true)
  if (missing.length === 0) return undefined
  const names = missing.map((need) => need.package).join(' ')
  return `sudo apt-get install --no-install-recommends ${names}`
}

const prompts = (language: string, licence: string): readonly Need[] => [
  {
    package: `asterisk-core-sounds-${language}`,
    file: `/usr/share/doc/asterisk-core-sounds-${language}/core-sounds-${language}.txt.gz`,
    purpose: `texts of the prompts (${language})`,
    licence,
  },
  {
    package: `asterisk-core-sounds-${language}-g722`,
    file: `/usr/share/doc/asterisk-core-sounds-${language}-g722/copyright`,
    purpose: `recordings of the prompts at 16 kHz (${language})`,
    licence,
  },
]

const SHARE_ALIKE = 'CC-BY-SA-3.0'

export const ASR_SMALL_NEEDS: readonly Need[] = [
  ...prompts('en', SHARE_ALIKE),
  {
    package: 'flite',
    file: '/usr/bin/flite',
    purpose: 'synthetic speech, four voices',
    licence: 'CMU flite (BSD-like)',
  },
  {
    package: 'espeak-ng',
    file: '/usr/bin/espeak-ng',
    purpose: 'synthetic speech, five voices',
    licence: 'GPL-3.0-or-later (program)',
  },
  { package: 'festival', file: '/usr/bin/festival', purpose: 'synthetic speech', licence: 'BSD-like' },
  {
    package: 'festvox-us-slt-hts',
    file: '/usr/share/festival/voices/us/cmu_us_slt_arctic_hts/festvox/cmu_us_slt_arctic_hts.scm',
    purpose: 'a voice of festival',
    licence: 'BSD-like',
  },
  {
    package: 'festvox-kdlpc16k',
    file: '/usr/share/festival/voices/english/ked_diphone/festvox/ked_diphone.scm',
    purpose: 'a voice of festival',
    licence: 'BSD-like',
  },
  {
    package: 'wordnet-base',
    file: '/usr/share/wordnet/data.noun',
    purpose: 'example sentences to be spoken',
    licence: 'WordNet 3.0',
  },
  {
    package: 'bible-kjv',
    file: '/usr/bin/bible',
    purpose: 'sentences to be spoken (program)',
    licence: 'GPL-2.0',
  },
  {
    package: 'bible-kjv-text',
    file: '/usr/lib/bible.data',
    purpose: 'sentences to be spoken',
    licence: 'public domain',
  },
  {
    package: 'pocketsphinx-testdata',
    file: '/usr/share/pocketsphinx/test/data/librivox/transcription',
    purpose: 'five LibriVox clips to test on',
    licence: 'public domain (recordings)',
  },
  {
    package: 'pocketsphinx',
    file: '/usr/bin/pocketsphinx_batch',
    purpose: 'another recogniser, for the figures beside ours',
    licence: 'BSD-2-Clause',
    optional: true,
  },
  {
    package: 'pocketsphinx-en-us',
    file: '/usr/share/pocketsphinx/model/en-us/en-us.lm.bin',
    purpose: 'its model',
    licence: 'BSD-2-Clause',
    optional: true,
  },
]

export const LANGUAGE_ID_NEEDS: readonly Need[] = [
  ...prompts('en', SHARE_ALIKE),
  ...prompts('fr', SHARE_ALIKE),
  ...prompts('es', SHARE_ALIKE),
  ...prompts('it', SHARE_ALIKE),
  ...prompts('ru', 'CC-BY-3.0'),
  {
    package: 'espeak-ng',
    file: '/usr/bin/espeak-ng',
    purpose: 'synthetic speech to learn from',
    licence: 'GPL-3.0-or-later (program)',
  },
  {
    package: 'fillets-ng-data',
    file: '/usr/share/games/fillets-ng/script/airplane/dialogs_nl.lua',
    purpose: 'texts to be spoken',
    licence: 'GPL-2.0-only',
  },
  {
    package: 'fillets-ng-data-nl',
    file: '/usr/share/games/fillets-ng/sound/airplane/nl',
    purpose: 'people who speak Dutch, to test on',
    licence: 'GPL-2.0-only',
  },
  {
    package: 'fillets-ng-data-cs',
    file: '/usr/share/games/fillets-ng/sound/airplane/cs',
    purpose: 'people who speak Czech, to test on',
    licence: 'GPL-2.0-only',
  },
]
