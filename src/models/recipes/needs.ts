/** What a recipe's data is made of: Debian packages, told by a file of theirs. Nothing is installed from here. */
import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export interface Need {
  /** Debian's name. */
  readonly package: string
  /** A file that is there where the package is installed. */
  readonly file: string
  /**
   * The package conflicts with another that is needed, or would bring a whole game: it is not installed but unpacked
   * into the data directory's folder `unpacked`, and `file` is in there.
   */
  readonly isUnpacked?: boolean
  readonly purpose: string
  /** SPDX or Debian's own words. */
  readonly licence: string
  /** Only figures beside ours come from it. */
  readonly optional?: boolean
}

export interface NeedState extends Need {
  readonly isPresent: boolean
}

/** Where packages are unpacked that cannot be installed. */
export const unpackedFolder = (directory: string): string => join(directory, 'unpacked')

/** @param directory of the data. */
export const checkNeeds = (needs: readonly Need[], directory: string): Promise<readonly NeedState[]> =>
  Promise.all(
    needs.map(async (need) => ({
      ...need,
      isPresent: await access(
        need.isUnpacked === true ? join(unpackedFolder(directory), need.file) : need.file,
      ).then(
        () => true,
        () => false,
      ),
    })),
  )

/** For a shell. */
const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`

/** The lines that install and unpack what is missing; undefined where nothing is. */
export function installLine(states: readonly NeedState[], directory: string): string | undefined {
  const missing = states.filter(({ isPresent, optional }) => !isPresent && optional !== true)
  const names = (wanted: boolean): string =>
    missing
      .filter(({ isUnpacked }) => (isUnpacked === true) === wanted)
      .map((need) => need.package)
      .join(' ')
  const [installed, unpacked] = [names(false), names(true)]
  const lines: string[] = []
  if (installed !== '') lines.push(`sudo apt-get install --no-install-recommends ${installed}`)
  if (unpacked !== '') {
    // The line changes the directory, and dpkg makes no parents.
    const folder = quoted(unpackedFolder(resolve(directory)))
    lines.push(
      `(mkdir -p ${folder} && cd "$(mktemp -d)" && apt-get download ${unpacked} && for p in *.deb; do dpkg -x "$p" ${folder}; done)`,
    )
  }
  return lines.length === 0 ? undefined : lines.join('\n  ')
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
    package: 'tuxpaint-stamps-default',
    file: '/usr/share/tuxpaint/stamps/animals',
    purpose: 'names of pictures, spoken in eleven languages',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'debian-handbook',
    file: '/usr/share/doc/debian-handbook/html/ru-RU/index.html',
    purpose: 'sentences to be spoken',
    licence: 'GPL-2.0-or-later or CC-BY-SA-3.0',
  },
  {
    package: 'espeak-ng',
    file: '/usr/bin/espeak-ng',
    purpose: 'pronunciation, and synthetic speech',
    licence: 'GPL-3.0-or-later (program)',
  },
  {
    package: 'flite',
    file: '/usr/bin/flite',
    purpose: 'synthetic speech, four English voices',
    licence: 'CMU flite (BSD-like)',
  },
  { package: 'festival', file: '/usr/bin/festival', purpose: 'synthetic speech', licence: 'BSD-like' },
  {
    package: 'festvox-italp16k',
    file: '/usr/share/festival/voices/italian/lp_diphone/festvox/lp_diphone.scm',
    purpose: 'an Italian voice of festival',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'festvox-itapc16k',
    file: '/usr/share/festival/voices/italian/pc_diphone/festvox/pc_diphone.scm',
    purpose: 'an Italian voice of festival',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'hedgewars-data',
    file: '/usr/share/games/hedgewars/Data/Sounds/voices',
    purpose: 'people who are not learnt from, to choose by',
    licence: 'GPL-2.0',
  },
  {
    package: 'ktuberling-data',
    file: '/usr/share/ktuberling/sounds',
    purpose: 'people who are not learnt from, to choose by',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'drascula',
    file: 'usr/share/scummvm/drascula/en',
    isUnpacked: true,
    purpose: 'people who are not learnt from, to choose by',
    licence: 'its own: to be passed on for free',
  },
  {
    package: 'drascula-spanish',
    file: 'usr/share/scummvm/drascula/es',
    isUnpacked: true,
    purpose: 'people who are not learnt from, to choose by',
    licence: 'its own: to be passed on for free',
  },
  {
    package: 'asterisk-prompt-it-menardi-wav',
    file: '/usr/share/asterisk/sounds/it_IT_f_Menardi',
    purpose: 'a person who is not learnt from, to test on',
    licence: 'CC-BY-SA-3.0 (Italy)',
  },
  {
    package: 'festvox-ru',
    file: '/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav',
    purpose: 'a person who is not learnt from, to test on',
    licence: 'BSD-like',
  },
  {
    package: 'pocketsphinx-testdata',
    file: '/usr/share/pocketsphinx/test/data/librivox/transcription',
    purpose: 'people who are not learnt from, to test on',
    licence: 'public domain (recordings)',
  },
  {
    package: 'asterisk-prompt-es-co',
    file: 'usr/share/asterisk/sounds/es',
    isUnpacked: true,
    purpose: 'a person who is not learnt from, to test on',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'asterisk-prompt-fr-armelle',
    file: 'usr/share/asterisk/sounds/fr',
    isUnpacked: true,
    purpose: 'a person who is not learnt from, to test on',
    licence: 'GPL-2.0-or-later',
  },
  {
    package: 'flight-of-the-amazon-queen',
    file: 'usr/share/scummvm/flight-of-the-amazon-queen/queen.1c',
    isUnpacked: true,
    purpose: 'people who are not learnt from, to test on',
    licence: 'its own, free to use and pass on',
  },
  { package: 'sox', file: '/usr/bin/sox', purpose: 'reads GSM recordings', licence: 'GPL-2.0-or-later' },
]
