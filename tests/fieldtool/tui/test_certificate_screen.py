"""The certificates screen as a person uses it: over a real store, with the answers of a simulated desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from textual import events
from textual.pilot import Pilot

from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.certificate_screen import CertificateScreen
from fieldtool.tui.help_screen import HelpScreen
from fieldtool.tui.question_screen import QuestionScreen
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.screenshot import StillAccess, without_web_fonts
from fieldtool.tui.unlock_screen import UnlockScreen
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import write_picture
from simulators.certificate_desk.answers import answer_pem, answer_text
from tests.fieldtool.tui.certificate_scenes import DAY, PASSPHRASE, START, Office
from tests.fieldtool.tui.test_tui_snapshots import check_snapshot
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    Steps,
    run_app,
    screen_lines,
    screen_text,
    session_of,
    some_meters,
    until,
)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    made = Office.create(tmp_path, lambda now: monkeypatch.setattr("fieldtool.enrolment.now", now))
    yield made
    made.vault.close()


def on_certificates(office: Office, steps: Steps, size: tuple[int, int] = NARROW) -> FieldToolApp:
    """Open the certificates, see them, and go on."""

    async def opened(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, CertificateScreen))
        await until(pilot, lambda: "Consumer" in screen_text(app))
        await steps(app, pilot)

    return run_app(office.session(), opened, size)


def says(app: FieldToolApp, *words: str) -> Callable[[], bool]:
    """A condition: all of it is on the screen, wherever its lines are broken."""
    return lambda: all(word in " ".join(screen_text(app).replace("│", " ").split()) for word in words)


async def give(app: FieldToolApp, pilot: Pilot[None], text: str, key: str = "i") -> None:
    """Import what is named, or pasted as one line."""
    await until(pilot, lambda: all(worker.is_finished for worker in app.workers))
    await pilot.press(key)
    await until(pilot, lambda: app.focused is app.screen.query_one("#source"))
    app.screen.query_one("#source").post_message(events.Paste(text))
    await pilot.pause()
    if "\n" not in text:
        await pilot.press("enter")


def test_a_certificate_is_imported_from_a_pasted_code(office: Office) -> None:
    code = office.answer("installer", "anna-laptop")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, says(app, "waiting", "anna-laptop"))
        await give(app, pilot, code)
        await until(pilot, says(app, "imported anna-laptop, Installer: level Installer"))
        await until(pilot, says(app, "✓ Installer anna-laptop 365 days Stadtwerke Nord"))
        assert "level Installer, certificate anna-laptop, 365 days left" in screen_lines(app)[0]
        assert "may read-out, customer-number, clock" in " ".join(screen_text(app).split())
        assert all(len(line) <= NARROW[0] for line in screen_lines(app))

    on_certificates(office, steps)
    assert office.certificates.standing().title == "Installer"
    assert "certificate_imported" in office.events()


def test_a_certificate_comes_in_every_form(office: Office) -> None:
    forms: dict[str, str] = {}
    for form in ("picture", "pem file", "pasted pem", "quoted path", "wrapped code"):
        signed = office.desk.answer(office.request("service", form).request, START)
        picture, pem, code = office.folder / f"{form}.jpg", office.folder / f"{form}.pem", answer_text(signed)
        picture.write_bytes(write_picture(code))
        pem.write_bytes(answer_pem(signed))
        forms[form] = {
            "picture": str(picture),
            "pem file": str(pem),
            "pasted pem": pem.read_text(),
            "quoted path": f"'{picture}'",
            "wrapped code": "\n".join(code[start : start + 70] for start in range(0, len(code), 70)),
        }[form]

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        for form, given in forms.items():
            await give(app, pilot, given)
            await until(pilot, says(app, f"imported {form}, Service: level Service"))

    on_certificates(office, steps)


def test_another_one_is_used_and_consumer_too(office: Office) -> None:
    office.enrol("installer", "first")
    office.enrol("service", "second")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, says(app, "✓ Service second"))
        await pilot.press("up", "enter")
        await until(pilot, says(app, "✓ Installer first"))
        await pilot.press("home", "enter")
        await until(pilot, says(app, "✓ Consumer", "no certificate is in use"))
        await pilot.press("end", "enter")
        await until(pilot, says(app, "✓ Service second"))

    on_certificates(office, steps)
    assert office.events().count("level_changed") == 5


def test_a_lower_level_asks_and_is_kept_without_being_used(office: Office) -> None:
    office.enrol("service", "high")
    code = office.answer("installer", "low")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await give(app, pilot, code)
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await until(pilot, says(app, "its level is Installer, lower than Service, which is in use"))
        await pilot.press("n")
        await until(pilot, says(app, "imported low, Installer: kept, and not in use: level Service"))

    on_certificates(office, steps)
    assert office.certificates.standing().title == "Service"
    assert len(office.certificates.wallet.credentials) == 2


def test_a_new_issuer_asks_and_no_means_no(office: Office) -> None:
    office.enrol("installer", "first")
    office.desk.new_issuer("Second issuer", START)
    code = office.answer("installer", "second")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await give(app, pilot, code)
        await until(pilot, says(app, "a new issuer, Second issuer"))
        await pilot.press("escape")
        await until(pilot, says(app, "the certificate was not imported"))
        await give(app, pilot, code)
        await until(pilot, says(app, "a new issuer, Second issuer"))
        await pilot.press("y")
        await until(pilot, says(app, "imported second, Installer: level Installer"))

    on_certificates(office, steps)


def test_refusals_are_told_in_one_line(office: Office) -> None:
    code = office.answer("installer", "anna")
    holiday = office.folder / "holiday.jpg"
    Image.new("RGB", (64, 48), "green").save(holiday)
    refusals = {
        str(holiday): "no QR code can be read in the picture: fill most of the picture",
        str(office.folder / "nothing.jpg"): "No such file or directory: name a file, or paste the code",
        write_payload(PayloadKind.TOKEN, b"nonsense"): "this is a token for a request, not a certificate",
        code[:-9]: "the text of a certificate is damaged or not complete: copy all of it",
    }

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        async def refused(given: str, said: str) -> None:
            await give(app, pilot, given)
            await until(pilot, says(app, said))
            assert app.screen.query_one("#message").has_class("-bad")
            assert isinstance(app.screen, CertificateScreen)

        for given, said in refusals.items():
            await refused(given, said)
        await give(app, pilot, code)
        await until(pilot, says(app, "imported anna"))
        await refused(code, "this certificate is in the store already: choose it with")
        office.certificates.remove("anna")
        await refused(code, "no request of this store is waiting for this certificate: import it into the store")

    on_certificates(office, steps)
    assert office.events().count("certificate_refused") == 5


def test_an_expired_certificate_is_refused(office: Office) -> None:
    code = office.answer("installer", "anna")
    for _ in range(5):
        office.now += 85 * DAY
        office.certificates.attend_clock()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await give(app, pilot, code)
        await until(pilot, says(app, "expired"))

    on_certificates(office, steps)


def test_a_revocation_list_lowers_the_level_with_its_reason(office: Office) -> None:
    office.enrol("service", "anna")
    office.desk.revoke("anna", START)
    file = office.folder / "list.crl"
    file.write_bytes(office.desk.revocation_list(START))

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await give(app, pilot, str(file), "r")
        await until(pilot, says(app, "revocation list 1 is installed: level Consumer; certificate", "was revoked"))
        await until(pilot, says(app, "Desk issuer 1: list 1 of 2026-11-20, 1 revoked, next due"))
        assert says(app, "✗ Service anna not valid")()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReceptionScreen))
        await until(pilot, lambda: screen_lines(app)[0].endswith("▲ level Consumer"))

    on_certificates(office, steps)


def test_the_level_stands_in_the_title_with_a_warning_from_30_days(office: Office) -> None:
    office.enrol("service", "anna")

    async def before(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: screen_lines(app)[0].endswith("  level Service"))

    run_app(office.session(), before)
    office.now += 60 * DAY

    async def after(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: screen_lines(app)[0].endswith("▲ level Service, 30 days left"))
        await pilot.press("L")
        await until(pilot, says(app, "▲ the certificate expires in 30 days", "▲ 30 days"))

    run_app(office.session(), after)


def test_a_locked_store_asks_for_the_passphrase_first(office: Office) -> None:
    office.enrol("installer", "anna")
    office.vault.lock()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press("escape")
        await until(pilot, says(app, "The keystore is locked.", "Press u to unlock it."))
        await pilot.press("i")
        assert not app.screen.query_one("#source-row").display
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press(*("space" if c == " " else c for c in PASSPHRASE), "enter")
        await until(pilot, says(app, "✓ Installer anna"))
        app.action_lock_keystore()
        await until(pilot, says(app, "The keystore is locked."))
        assert "anna" not in screen_text(app)

    run_app(office.session(), steps)


def test_a_store_that_locks_meanwhile_is_told_and_asked_for(office: Office) -> None:
    office.enrol("installer", "anna")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, says(app, "✓ Installer anna"))
        await pilot.press("i")
        office.vault.lock()
        app.screen.query_one("#source").post_message(events.Paste("MTC1:X"))
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press("escape")
        await until(pilot, says(app, "is locked", "press u"))

    on_certificates(office, steps)


def test_a_clock_far_ahead_is_asked_about(office: Office) -> None:
    office.enrol("installer", "anna")
    office.now += 200 * DAY

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await until(pilot, says(app, "200 days after the latest time seen"))
        await pilot.press("n")
        await until(pilot, says(app, "✗", "200 days after the latest time seen", "level Consumer"))
        await pilot.press("end", "enter")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.press("y")
        await until(pilot, says(app, "level Installer, certificate anna"))

    run_app(office.session(), steps)
    assert "clock_confirmed" in office.events()


def test_help_names_the_keys_of_the_screen(office: Office) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await until(pilot, says(app, "Help: certificates", "Import a revocation list", "✓ is in use"))

    on_certificates(office, steps, (100, 40))


def test_nothing_of_a_key_is_on_the_screen_or_kept_beside_it(office: Office) -> None:
    office.enrol("service", "anna")
    waiting = office.request("installer", "second")
    private = waiting.key.open().private_numbers().private_value.to_bytes(32)
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, says(app, "second"))
        seen.append(screen_text(app))
        access = app.session.certificates
        assert access is not None
        seen.append(repr(access.seen))

    on_certificates(office, steps)
    assert not any(secret in text for text in seen for secret in (private.hex(), waiting.token.secret.hex()))


def test_without_a_store_there_are_no_certificates(office: Office) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await pilot.pause()
        assert isinstance(app.screen, ReceptionScreen)
        assert "level" not in screen_lines(app)[0]

    run_app(session_of([]), steps)


def test_the_screen_looks_as_it_did() -> None:
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("L")
        await until(pilot, lambda: "anna-2026" in screen_text(app))
        await pilot.pause()
        seen.append(without_web_fonts(app.export_screenshot(title="fieldtool")))

    session = replace(session_of(some_meters()), certificates=StillAccess(), unlock_keystore=lambda typed: None)
    run_app(session, steps)
    check_snapshot("certificates-80x24", seen[0])


def test_screens_without_a_receiver_open_the_store_locked(office: Office) -> None:
    office.vault.close()
    with closing(LazyKeys(str(office.folder / "keys.vault"), None)) as store:
        store.open_locked()
        assert store.vault is not None
        assert store.vault.is_locked
        assert store.is_locked
        assert store.state_text == "locked"
        store.unlock(PASSPHRASE)
        assert store.is_open
