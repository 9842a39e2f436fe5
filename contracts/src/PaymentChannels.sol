// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IStakeRegistry} from "./interfaces/IStakeRegistry.sol";
import {Messages} from "./libraries/Messages.sol";

/// @title One-way channels from a payer to a payee, spent by signed vouchers
/// @notice A payer locks a deposit for one payee and then pays off the chain: each voucher states the sum of
/// everything paid so far, so the newest one replaces all others, and one `redeem` pays for any number of jobs.
/// Nobody owns this contract: only a payer's signature moves a deposit to the payee, and only the channel's end moves
/// the rest back.
///
/// There is one channel at a time from one payer to one payee, in one storage slot that is used again. Each opening
/// has its own nonce, the nonce is part of the channel's id, and the id is part of what a voucher signs: a voucher of
/// a former opening, of another pair, contract or chain is worth nothing here.
///
/// Expiry and closing are one thing, the time `endsAt`. Before it nothing of the deposit returns to the payer unless
/// the payee says so; after it anyone may send it back. A payer who wants to leave brings `endsAt` forward, to
/// CHALLENGE_PERIOD from now at the earliest: that is the payee's time to redeem.
///
/// Money of either side goes to the cold wallet that the registry knows its key by, and to the key itself where it
/// knows none.
contract PaymentChannels is EIP712, ReentrancyGuardTransient {
    /// @notice A channel, in one slot. Closed where `endsAt` is zero; the nonce stays.
    /// @param deposit wei paid in. @param redeemed wei paid out to the payee.
    /// @param endsAt from this second on anyone may close. @param nonce counts the openings, from 1.
    struct Channel {
        uint96 deposit;
        uint96 redeemed;
        uint40 endsAt;
        uint24 nonce;
    }

    /// @notice A voucher as it is submitted; the channel's id is computed from the parties and the present nonce.
    /// @param amountWei everything that the payer ever paid in this opening.
    /// @param receipts how many receipts of the payee the payer holds, @param receiptsHead and the hash of their
    /// chain (docs/inference.md): logged, so that the payee cannot leave one out later.
    /// @param signature of the payer's key, 65 bytes.
    struct Voucher {
        address payer;
        uint96 amountWei;
        uint64 receipts;
        bytes32 receiptsHead;
        bytes signature;
    }

    /// @notice The registry is no contract, or the challenge period is zero or too long.
    error InvalidPeriod();
    /// @notice The payee is nobody, or the payer itself.
    error InvalidParties(address payer, address payee);
    /// @notice A channel opens, and is topped up, with money only.
    error NothingDeposited();
    /// @notice More than a voucher can name.
    error DepositTooLarge(uint256 have, uint256 most);
    /// @notice The end is too early or too late for this deployment.
    error EndOutOfRange(uint256 endsAt, uint256 earliest, uint256 latest);
    /// @notice A pair has one channel at a time.
    error ChannelIsOpen(bytes32 channelId);
    /// @notice The pair has no open channel.
    error ChannelNotOpen(address payer, address payee);
    /// @notice Until the end nobody but the payee may close.
    error ChannelNotOver(uint256 endsAt);
    /// @notice The channel ends no later than that already.
    error AlreadyEnding(uint256 endsAt);
    /// @notice A voucher is the payee's to submit, and nobody else's.
    error NotPayee(address caller, address payee);
    /// @notice Neither the payer nor the cold wallet of its node.
    error NotPayerNorWallet(address caller, address payer);
    /// @notice The voucher of this opening carries another key's signature.
    error VoucherNotOfPayer(address signer, address payer);
    /// @notice The voucher is for no more than was paid out.
    error NothingToRedeem();
    /// @notice The receiver refused the money.
    error TransferFailed(address to);

    /// @notice A deposit is locked for a payee until the end.
    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 nonce,
        uint256 deposit,
        uint256 endsAt
    );
    /// @notice More is locked, or for longer: both as they are now.
    event ChannelToppedUp(bytes32 indexed channelId, uint256 deposit, uint256 endsAt);
    /// @notice The channel ends sooner: the payee redeems until then.
    event ChannelCloseRequested(bytes32 indexed channelId, uint256 endsAt);
    /// @notice A payee had itself paid by a voucher, and so commits to the receipts that the voucher names.
    event VoucherRedeemed(
        bytes32 indexed channelId,
        address indexed payee,
        uint256 paid,
        uint256 redeemed,
        uint64 receipts,
        bytes32 receiptsHead
    );
    /// @notice The channel is over, and the rest went back.
    event ChannelClosed(bytes32 indexed channelId, uint256 refund);

    /// @notice The longest life from now on, so that a lost key does not lock a deposit for good.
    uint256 public constant MAX_LIFE = 366 days;
    /// @notice Longest CHALLENGE_PERIOD a deployment may choose.
    uint256 public constant MAX_CHALLENGE_PERIOD = 30 days;
    bytes32 private constant CHANNEL_TAG = keccak256("plumbline/1/channel");

    /// @notice Knows the nodes' cold wallets.
    IStakeRegistry public immutable REGISTRY;
    /// @notice Seconds that the payee has at least for redeeming, from a payer's wish to leave on.
    uint40 public immutable CHALLENGE_PERIOD;

    mapping(address payer => mapping(address payee => Channel)) private _channels;

    constructor(IStakeRegistry registry, uint40 challengePeriod) EIP712("plumbline", "1") {
        if (
            address(registry).code.length == 0 || challengePeriod == 0
                || challengePeriod > MAX_CHALLENGE_PERIOD
        ) revert InvalidPeriod();
        REGISTRY = registry;
        CHALLENGE_PERIOD = challengePeriod;
    }

    // ----------------------------------------------------------------------------------------------- the payer

    /// @notice Opens a channel from the caller to `payee` with the value as its deposit.
    /// @param endsAt between CHALLENGE_PERIOD and MAX_LIFE from now.
    function open(address payee, uint40 endsAt) external payable returns (bytes32 channelId) {
        if (payee == address(0) || payee == msg.sender) revert InvalidParties(msg.sender, payee);
        if (msg.value == 0) revert NothingDeposited();
        Channel memory channel = _channels[msg.sender][payee];
        if (channel.endsAt != 0) revert ChannelIsOpen(channelIdOf(msg.sender, payee, channel.nonce));
        _checkEnd(endsAt);
        channel.deposit = _deposit(0);
        channel.endsAt = endsAt;
        ++channel.nonce;
        _channels[msg.sender][payee] = channel;
        channelId = channelIdOf(msg.sender, payee, channel.nonce);
        emit ChannelOpened(channelId, msg.sender, payee, channel.nonce, msg.value, endsAt);
    }

    /// @notice Adds the value to the deposit, gives the channel a later end, or both. It also takes back a wish to
    /// leave.
    /// @param endsAt not before the present end; zero keeps that.
    function topUp(address payee, uint40 endsAt) external payable {
        Channel memory channel = _open(msg.sender, payee);
        if (endsAt == 0) {
            if (msg.value == 0) revert NothingDeposited();
        } else {
            _checkEnd(endsAt);
            if (endsAt < channel.endsAt) {
                revert EndOutOfRange(endsAt, channel.endsAt, block.timestamp + MAX_LIFE);
            }
            channel.endsAt = endsAt;
        }
        channel.deposit = _deposit(channel.deposit);
        _channels[msg.sender][payee] = channel;
        emit ChannelToppedUp(channelIdOf(msg.sender, payee, channel.nonce), channel.deposit, channel.endsAt);
    }

    /// @notice Brings the end forward to CHALLENGE_PERIOD from now. The payer's key or its cold wallet may ask.
    function requestClose(address payer, address payee) external {
        if (msg.sender != payer && msg.sender != _walletOf(payer)) {
            revert NotPayerNorWallet(msg.sender, payer);
        }
        Channel memory channel = _open(payer, payee);
        uint256 endsAt = block.timestamp + CHALLENGE_PERIOD;
        if (endsAt >= channel.endsAt) revert AlreadyEnding(channel.endsAt);
        // Below channel.endsAt, which has 40 bits.
        _channels[payer][payee].endsAt = uint40(endsAt);
        emit ChannelCloseRequested(channelIdOf(payer, payee, channel.nonce), endsAt);
    }

    // ----------------------------------------------------------------------------------------------- the payee

    /// @dev The payer alone signs a voucher, receipts included: whoever else might submit one could commit the payee to
    /// receipts that it never issued, and have it found guilty of leaving them out.
    modifier onlyPayee(address payee) {
        if (msg.sender != payee) revert NotPayee(msg.sender, payee);
        _;
    }

    /// @notice Pays what a voucher is worth beyond what was redeemed before, to the payee's wallet. The payee's key
    /// submits it, until the channel is closed. A voucher for more than the deposit pays what is there; the rest of it
    /// after a top-up.
    function redeem(address payee, Voucher calldata voucher)
        external
        nonReentrant
        onlyPayee(payee)
        returns (uint256 paid)
    {
        paid = _take(payee, voucher, true);
        _send(_walletOf(payee), paid);
    }

    /// @notice The same for many payers of one payee with one payment. Vouchers that pay nothing, because they are
    /// forged, old, or of a closed channel, are passed over.
    function redeemMany(address payee, Voucher[] calldata vouchers)
        external
        nonReentrant
        onlyPayee(payee)
        returns (uint256 paid)
    {
        for (uint256 i = 0; i < vouchers.length; ++i) {
            paid += _take(payee, vouchers[i], false);
        }
        if (paid == 0) revert NothingToRedeem();
        _send(_walletOf(payee), paid);
    }

    /// @notice Redeems the last voucher and closes at once.
    function redeemAndClose(address payee, Voucher calldata voucher)
        external
        nonReentrant
        onlyPayee(payee)
        returns (uint256 paid)
    {
        paid = _take(payee, voucher, true);
        uint256 refund = _end(voucher.payer, payee);
        _send(_walletOf(payee), paid);
        _send(_walletOf(voucher.payer), refund);
    }

    // --------------------------------------------------------------------------------------------- the channel's end

    /// @notice Sends what was not redeemed back to the payer and ends the channel: anyone after its end, the payee or
    /// its cold wallet at any time.
    function close(address payer, address payee) external nonReentrant returns (uint256 refund) {
        uint256 endsAt = _open(payer, payee).endsAt;
        if (block.timestamp < endsAt && msg.sender != payee && msg.sender != _walletOf(payee)) {
            revert ChannelNotOver(endsAt);
        }
        refund = _end(payer, payee);
        _send(_walletOf(payer), refund);
    }

    // --------------------------------------------------------------------------------------------------- views

    /// @notice The pair's channel as it is, and the id of its latest opening.
    function channelOf(address payer, address payee)
        external
        view
        returns (Channel memory channel, bytes32 channelId)
    {
        channel = _channels[payer][payee];
        channelId = channelIdOf(payer, payee, channel.nonce);
    }

    /// @notice The name of one opening of one pair on this chain and contract.
    function channelIdOf(address payer, address payee, uint24 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(CHANNEL_TAG, block.chainid, address(this), payer, payee, nonce));
    }

    /// @notice What a payer signs.
    function voucherDigest(bytes32 channelId, uint96 amountWei, uint64 receipts, bytes32 receiptsHead)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(Messages.hashVoucher(channelId, amountWei, receipts, receiptsHead));
    }

    // ----------------------------------------------------------------------------------------------- internals

    function _open(address payer, address payee) private view returns (Channel memory channel) {
        channel = _channels[payer][payee];
        if (channel.endsAt == 0) revert ChannelNotOpen(payer, payee);
    }

    function _checkEnd(uint40 endsAt) private view {
        (uint256 earliest, uint256 latest) = (block.timestamp + CHALLENGE_PERIOD, block.timestamp + MAX_LIFE);
        if (endsAt < earliest || endsAt > latest) revert EndOutOfRange(endsAt, earliest, latest);
    }

    function _deposit(uint256 before) private view returns (uint96) {
        uint256 total = before + msg.value;
        if (total > type(uint96).max) revert DepositTooLarge(total, type(uint96).max);
        return uint96(total);
    }

    /// Marks what a voucher pays as redeemed. @param strict reverts where that is nothing, instead of returning 0.
    function _take(address payee, Voucher calldata voucher, bool strict) private returns (uint256 paid) {
        Channel memory channel = _channels[voucher.payer][payee];
        uint96 redeemed = voucher.amountWei < channel.deposit ? voucher.amountWei : channel.deposit;
        if (channel.endsAt == 0) {
            if (strict) revert ChannelNotOpen(voucher.payer, payee);
            return 0;
        }
        if (redeemed <= channel.redeemed) {
            if (strict) revert NothingToRedeem();
            return 0;
        }
        bytes32 channelId = channelIdOf(voucher.payer, payee, channel.nonce);
        bytes32 digest = voucherDigest(channelId, voucher.amountWei, voucher.receipts, voucher.receiptsHead);
        // No signer is address(0) where recovery fails; a payer never is, since it opened the channel.
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, voucher.signature);
        if (signer != voucher.payer) {
            if (strict) revert VoucherNotOfPayer(signer, voucher.payer);
            return 0;
        }
        paid = redeemed - channel.redeemed;
        channel.redeemed = redeemed;
        _channels[voucher.payer][payee] = channel;
        emit VoucherRedeemed(channelId, payee, paid, redeemed, voucher.receipts, voucher.receiptsHead);
    }

    /// Empties the slot but for the nonce.
    function _end(address payer, address payee) private returns (uint256 refund) {
        Channel memory channel = _open(payer, payee);
        refund = channel.deposit - channel.redeemed;
        _channels[payer][payee] = Channel(0, 0, 0, channel.nonce);
        emit ChannelClosed(channelIdOf(payer, payee, channel.nonce), refund);
    }

    function _walletOf(address key) private view returns (address wallet) {
        wallet = REGISTRY.ownerOf(key);
        if (wallet == address(0)) wallet = key;
    }

    function _send(address to, uint256 amount) private {
        if (amount == 0) return;
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }
}
