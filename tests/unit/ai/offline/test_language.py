# ruff: noqa: RUF001 - texts in many scripts
import pytest

from ticketctl.ai.offline.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I cannot log in to my account since this morning", "en"),
        ("Guten Tag, ich kann mich nicht mehr anmelden", "de"),
        ("Bonjour, je ne peux pas me connecter à mon compte", "fr"),
        ("Hola, no puedo entrar en mi cuenta", "es"),
        ("Non riesco ad accedere al mio account, grazie", "it"),
        ("Não consigo entrar na minha conta", "pt"),
        ("Ik kan niet inloggen op mijn account", "nl"),
        ("Nie mogę się zalogować na moje konto", "pl"),
        ("Jag kan inte logga in på mitt konto", "sv"),
        ("Hesabıma giriş yapamıyorum, lütfen yardım edin", "tr"),
        ("Не могу войти в свой аккаунт", "ru"),
        ("Доброго дня, я не можу увійти до її облікового запису", "uk"),
        ("ログインできません。パスワードを忘れました", "ja"),
        ("我无法登录我的帐户", "zh"),
        ("로그인할 수 없습니다", "ko"),
        ("لا أستطيع تسجيل الدخول", "ar"),
        ("אני לא מצליח להתחבר", "he"),
        ("Δεν μπορώ να συνδεθώ", "el"),
        ("login broken", "en"),
        ("As a user I need a button", "en"),
        ("wachtwoord vergeten", "nl"),
        ("Rechnung falsch", "de"),
        ("Не могу войти в Salesforce через Google Chrome", "ru"),
    ],
)
def test_language_of_a_text(text, language):
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text", ["", "12345", "???", "qwrt zxcv", "OK", "Salesforce Google Chrome", "\ud800"]
)
def test_unclear_language_is_undetermined(text):
    assert detect_language(text) == "und"
