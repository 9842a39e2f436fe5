/** `plumbline chain deploy`: the contracts on a chain that has none. */
import { readFile } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import { chainOptions, walletOptions, withConnection } from './chain-options.js'
import { defineCommand } from './command.js'
import { labelled } from './format.js'
import { choice, flag, text } from './option.js'

const LABEL_WIDTH = 28
const MAX_TERMS_BYTES = 65_536
/** Of a whole deployment, docs/contracts.md: for the estimate before anything is sent. */
const DEPLOYMENT_GAS = 14_200_000n

export const chainDeployCommand = defineCommand({
  path: 'chain deploy',
  group: 'chain',
  summary: 'Deploy the contracts and write their addresses file',
  description: [
    'Six contracts, about 14.2 million gas. Nothing in them can be changed afterwards: there is no owner, no pause ' +
      'and no upgrade, so check the terms first (--dry-run shows them). The wallet must send nothing else meanwhile.',
    'The beacon contract verifies drand rounds with the precompiles of EIP-2537. On a chain without them it is ' +
      'refused, with the reason; name another beacon contract, or go on without challenges.',
  ],
  advanced: true,
  options: {
    terms: text({ summary: 'Terms that differ from the preset (YAML or JSON)', completes: 'file' }),
    preset: choice(['public', 'development'], {
      summary: 'Terms to start from: long times and strict only, or short times and every profile',
      default: 'public',
    }),
    'beacon-contract': text({ summary: 'Another beacon contract in place of ours', placeholder: 'address' }),
    'without-beacon': flag('Go on where the chain cannot have our beacon contract'),
    out: text({
      summary: 'The new addresses file',
      completes: 'file',
      defaultText: 'deployments/<chain id>.json in the data directory',
    }),
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain deploy --wallet deployer.json --dry-run', 'See terms and cost'],
    ['chain deploy --wallet deployer.json', 'Deploy'],
  ],
  run: (args, io) =>
    withConnection(args, io, async ({ chain, config, wallet }) => {
      const library = await import('../chain/index.js')
      const { formatEther } = library
      const base = args.preset === 'public' ? library.PUBLIC_TERMS : library.DEVELOPMENT_TERMS
      const terms =
        args.terms === undefined ? base : library.readDeploymentTerms(await readTermsFile(args.terms), base)
      const { parseAddress } = await import('../crypto/address.js')
      const options = {
        terms,
        beaconContract: args.beaconContract === undefined ? undefined : parseAddress(args.beaconContract),
        allowWithoutBeacon: args.withoutBeacon,
        signal: io.signal,
      }
      const plan = await library.planDeployment(chain, options)
      const { maxFeePerGas } = await library.marketFees(chain.client, undefined)
      const needWei = DEPLOYMENT_GAS * maxFeePerGas
      const haveWei = await chain.client.getBalance({ address: wallet.address })
      const termsJson = Object.fromEntries(
        Object.entries(terms).map(([name, value]) => [
          name,
          typeof value === 'bigint' ? value.toString() : value,
        ]),
      )
      const row = (label: string, value: string) => labelled(`  ${label}`, value, LABEL_WIDTH)
      if (args.dryRun) {
        const result = {
          dryRun: true,
          chainId: chain.chainId,
          from: wallet.address,
          terms: termsJson,
          absent: plan.absentReason ?? null,
          gas: Number(DEPLOYMENT_GAS),
          needWei: needWei.toString(),
          haveWei: haveWei.toString(),
        }
        io.output.result(result, () =>
          [
            `Nothing was sent. A deployment on chain ${chain.chainId} by ${wallet.address}:`,
            '',
            ...Object.entries(terms).map(([name, value]) =>
              row(name, typeof value === 'bigint' ? formatEther(value) : String(value)),
            ),
            ...(plan.absentReason === undefined
              ? []
              : ['', row('left out', `BeaconRegistry: ${plan.absentReason}`)]),
            '',
            row('gas', `about ${DEPLOYMENT_GAS}`),
            row('need', `at most ${formatEther(needWei)}`),
            row('have', formatEther(haveWei)),
          ].join('\n'),
        )
        return 0
      }
      if (haveWei < needWei)
        throw library.lackOfMoney(
          `deploying: not enough money at ${wallet.address}`,
          haveWei,
          needWei,
          `send ether to ${wallet.address}`,
        )
      const path =
        args.out === undefined ? library.deploymentPath(config.dataDir, chain.chainId) : expandPath(args.out)
      const { fileExists } = await import('./key-file.js')
      if (await fileExists(path)) throw library.deploymentExists(path)
      const { deployment, steps, gasUsed, feeWei } = await library.deployContracts(chain, {
        ...options,
        onStep: (step) => {
          io.output.event('deployed', { ...step, gasUsed: Number(step.gasUsed) })
          io.output.note(
            step.address === null
              ? `${step.name}: left out: ${step.reason}`
              : `${step.name}: ${step.address}`,
          )
        },
      })
      await library.writeDeployment(path, deployment)
      const result = {
        chainId: chain.chainId,
        path,
        contracts: deployment.contracts,
        absent: deployment.absent,
        terms: termsJson,
        gasUsed: Number(gasUsed),
        feeWei: feeWei.toString(),
      }
      io.output.result(result, () =>
        [
          `Deployed on chain ${chain.chainId}; the addresses are in ${path}.`,
          '',
          ...steps.map((step) => row(step.name, step.address ?? `left out: ${step.reason}`)),
          row('gas', `${gasUsed}, ${formatEther(feeWei)}`),
        ].join('\n'),
      )
      return 0
    }),
})

async function readTermsFile(file: string): Promise<unknown> {
  const { parseConfigFile } = await import('../config/yaml-file.js')
  const path = expandPath(file)
  const content = await readFile(path, 'utf8')
  return parseConfigFile(path, content.slice(0, MAX_TERMS_BYTES)).value
}
