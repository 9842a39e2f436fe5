/** The chain that a configuration names: its section `chain`, for daemons and commands alike. */

import { UserError } from '../errors.js'
import { type Chain, connectChain, type RpcOptions, type SenderOptions, withDeployment } from './chain.js'
import { findDeployment } from './deployment.js'
import { gweiToWei } from './ether.js'

/** `chain` of the configuration (src/config/schema.ts). */
export interface ChainSettings {
  readonly rpcUrls: readonly string[]
  readonly chainId?: number | undefined
  /** The addresses file. */
  readonly addresses?: string | undefined
  readonly maxFeePerGasGwei?: number | undefined
  readonly confirmations?: number | undefined
}

export interface ConfiguredChainOptions
  extends Pick<SenderOptions, 'identity' | 'store' | 'pollMs' | 'stuckAfterMs'>,
    Pick<RpcOptions, 'log' | 'signal'> {
  /** Absolute; `deployments/<chain id>.json` is looked for in it. */
  readonly dataDir: string
}

/** Connection options of a configuration. @throws UserError BAD_CONFIG where no RPC server is configured */
export function connectionOf(
  settings: ChainSettings,
  options: ConfiguredChainOptions,
): RpcOptions & SenderOptions {
  const { identity, store, pollMs, stuckAfterMs, log, signal } = options
  if (settings.rpcUrls.length === 0)
    throw new UserError('no RPC server of a chain is configured', {
      code: 'BAD_CONFIG',
      remedy: 'give --rpc <URL>, or set chain.rpcUrls',
      exitStatus: 2,
    })
  return {
    rpcUrls: settings.rpcUrls,
    chainId: settings.chainId,
    maxFeePerGasWei:
      settings.maxFeePerGasGwei === undefined ? undefined : gweiToWei(settings.maxFeePerGasGwei),
    confirmations: settings.confirmations,
    identity,
    store,
    pollMs,
    stuckAfterMs,
    log,
    signal,
  }
}

/**
 * Connects, finds the addresses of the chain that answers, and opens the contracts.
 * @throws UserError BAD_CONFIG, NOT_FOUND (no addresses), UNREACHABLE
 */
export async function openConfiguredChain(
  settings: ChainSettings,
  options: ConfiguredChainOptions,
): Promise<Chain> {
  const connection = await connectChain(connectionOf(settings, options))
  try {
    const deployment = await findDeployment({
      path: settings.addresses,
      dataDir: options.dataDir,
      chainId: connection.chainId,
    })
    return await withDeployment(connection, deployment)
  } catch (error) {
    await connection.close()
    throw error
  }
}
