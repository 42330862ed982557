"""Words the simulated CRM is written with: codes are positions in these tuples."""

from __future__ import annotations

__all__ = [
    "BUSINESS_DOMAINS",
    "CAMPAIGNS",
    "CHANNELS",
    "COMPANY_NAMES",
    "COMPETITORS",
    "COMPETITOR_DOMAINS",
    "COUNTRIES",
    "EMPLOYEE_EDGES",
    "EVENT_TYPES",
    "FIRST_NAMES",
    "FREE_DOMAINS",
    "INDUSTRIES",
    "LAST_NAMES",
    "PRODUCTS",
    "REGIONS",
    "REVENUE_BANDS",
    "SENIORITIES",
    "SOURCES",
    "STAGES",
    "STATES",
    "STUDENT_DOMAINS",
    "TITLES",
    "TITLES_B2C",
]

STATES = ("idle", "aware", "considering", "deciding", "never")
STAGES = ("subscriber", "lead", "marketing qualified", "opportunity")

EVENT_TYPES = (
    "email_open",
    "email_click",
    "page_view",
    "blog_view",
    "webinar",
    "whitepaper_download",
    "case_study_view",
    "pricing_view",
    "form_submit",
    "trial_start",
    "demo_request",
    "meeting",
    "phone_call",
    "unsubscribe",
    "careers_view",
    "support_request",
)
CHANNELS = ("email", "web", "event", "phone", "partner")
PRODUCTS = ("Analytics", "Automation", "Platform", "Enterprise Suite")
SOURCES = (
    "Google",
    "Organic Search",
    "LinkedIn",
    "Referral",
    "Website Form",
    "Trade Show",
    "Paid Ads",
    "Purchased List",
)
CAMPAIGNS = ("Spring Launch", "Newsletter", "Webinar Series", "Retargeting", "Product Tour", "Winter Offer")
COUNTRIES = (
    *("United States", "Germany", "United Kingdom", "France"),
    *("India", "Brazil", "Netherlands", "Japan"),
)
REGIONS = ("Americas", "EMEA", "EMEA", "EMEA", "APAC", "Americas", "EMEA", "APAC")
INDUSTRIES = (
    "Software",
    "Manufacturing",
    "Financial Services",
    "Healthcare",
    "Retail",
    "Education",
    "Logistics",
    "Consulting",
)
REVENUE_BANDS = ("<1M", "1-10M", "10-50M", "50-250M", ">250M")
EMPLOYEE_EDGES = (10, 50, 200, 1000)

SENIORITIES = ("c-level", "vp", "director", "manager", "staff", "junior", "student")
TITLES = (
    *((title, 0) for title in ("CEO", "CFO", "CTO", "Chief Marketing Officer", "Chief Operating Officer")),
    *((title, 0) for title in ("CIO", "Founder & CEO", "Managing Director", "Owner", "Co-Founder")),
    *((title, 1) for title in ("VP of Sales", "VP Marketing", "Vice President, Operations", "SVP Finance")),
    *((title, 1) for title in ("VP Engineering", "Vice President of Product", "EVP, Customer Success")),
    *((title, 2) for title in ("Director of Marketing", "Sales Director", "IT Director", "HR Director")),
    *((title, 2) for title in ("Director, Finance", "Director of Operations", "Procurement Director")),
    *((title, 1) for title in ("Head of Data", "Head of Procurement")),
    *((title, 3) for title in ("Marketing Manager", "Sales Manager", "IT Manager", "Product Manager")),
    *((title, 3) for title in ("Operations Manager", "Procurement Manager", "Finance Manager")),
    *((title, 4) for title in ("Software Engineer", "Data Analyst", "Account Executive", "Consultant")),
    *((title, 4) for title in ("Accountant", "Marketing Specialist", "System Administrator", "Buyer")),
    *((title, 5) for title in ("Junior Developer", "Sales Assistant", "Marketing Assistant")),
    *((title, 5) for title in ("Junior Analyst", "HR Assistant", "Jr. Software Engineer")),
    *((title, 6) for title in ("Student", "PhD Student", "MBA Student", "Graduate Student")),
)
TITLES_B2C = (
    *((title, 3) for title in ("Project Manager", "Store Manager", "Office Manager")),
    *((title, 4) for title in ("Teacher", "Nurse", "Software Engineer", "Freelance Designer")),
    *(
        (title, 4)
        for title in ("Photographer", "Electrician", "Writer", "Consultant", "Accountant", "Architect")
    ),
    *((title, 5) for title in ("Junior Designer", "Assistant", "Junior Analyst")),
    *((title, 6) for title in ("Student", "PhD Student", "Graduate Student")),
    *((title, 0) for title in ("Owner", "Founder")),
)

FREE_DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "icloud.com", "gmx.de", "web.de")
STUDENT_DOMAINS = ("student.northfield.edu", "lakeside.edu", "mail.westbrook.edu", "hillcrest.edu")
BUSINESS_DOMAINS = ("studio.example", "freelance.example", "works.example")
COMPETITORS = ("Rivalytics", "Competera Labs", "Scorewright")
COMPETITOR_DOMAINS = ("rivalytics.example", "competera.example", "scorewright.example")
COMPANY_NAMES = (
    *("nordwind", "bluepeak", "ironbridge", "clearwater", "sunfield", "maplewood", "redstone", "starling"),
    *("oakhurst", "silverline", "brightway", "harbor", "summit", "greenleaf", "kingsway", "copperhill"),
    *("westgate", "falcon", "lumina", "vertex", "quantia", "helios", "orion", "meridian"),
)
FIRST_NAMES = (
    *("anna", "ben", "carla", "david", "elena", "felix", "grace", "hugo", "ines", "jack", "kavya", "leo"),
    *("maria", "noah", "olga", "paul", "rosa", "sam", "tara", "uwe", "vera", "will", "yuki", "zoe"),
)
LAST_NAMES = (
    *("adler", "brown", "costa", "dubois", "evans", "fischer", "garcia", "hansen", "ito", "jones", "kumar"),
    *("lopez", "meyer", "novak", "olsen", "patel", "rossi", "smith", "tanaka", "urban", "vogel", "weber"),
)
