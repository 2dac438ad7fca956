//! Generates the implementation of `Record`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Lifetime, Result, Type};

use crate::attributes::RecordAttributes;
use crate::record::{Field, Record};

/// The derive, on tokens that tests can build too.
///
/// The field types are named in an associated constant of a private trait: there the struct's lifetimes and `Self` are
/// in scope, which they are not in a static. The static stands inside a function, where its name shadows nothing
/// that a field type may name.
pub(crate) fn expand(input: DeriveInput) -> Result<TokenStream> {
    let record = Record::parse(input)?;
    let ident = &record.ident;
    let (impl_generics, type_generics, where_clause) = record.generics.split_for_impl();
    let static_generics = record.generics.lifetimes().map(|_| Lifetime::new("'static", Span::call_site()));
    let level = level(&record.attributes);
    let definition = definition(&record.attributes, quote!(#ident<#(#static_generics),*>));
    let fields = record.fields.iter().map(field);
    let payload_bytes = record.fields.iter().map(|field| call(field, &quote!(payload_bytes), None));
    let encode = record.fields.iter().map(|field| call(field, &quote!(encode), Some(quote!(_out))));

    Ok(quote! {
        const _: () = {
            trait __RinglogFields {
                const FIELDS: &'static [::ringlog::schema::Field];
            }

            #[automatically_derived]
            impl #impl_generics __RinglogFields for #ident #type_generics #where_clause {
                const FIELDS: &'static [::ringlog::schema::Field] = &[#(#fields),*];
            }

            #[automatically_derived]
            impl #impl_generics ::ringlog::Record for #ident #type_generics #where_clause {
                #[inline]
                fn site(&self) -> &::ringlog::schema::Site {
                    static SITE: ::ringlog::schema::Site = ::ringlog::schema::Site::new(#definition);
                    &SITE
                }

                #[inline]
                fn level(&self) -> ::ringlog::Level {
                    #level
                }

                #[inline]
                fn payload_bytes(&self) -> usize {
                    0 #(+ #payload_bytes)*
                }

                #[inline(always)]
                fn encode(&self, _out: &mut ::ringlog::schema::Encoder<'_>) {
                    #(#encode;)*
                }
            }
        };
    })
}

fn level(attributes: &RecordAttributes) -> TokenStream {
    let number = attributes.level.unwrap_or(RecordAttributes::LEVEL_DEFAULT);
    quote!(::ringlog::Level::from_number(#number))
}

fn definition(attributes: &RecordAttributes, record: TokenStream) -> TokenStream {
    let level = level(attributes);
    // An empty name stands for the module's path.
    let logger = attributes.logger.as_ref().map_or(quote!(""), |logger| quote!(#logger));
    let text = attributes.text.as_ref().map_or(quote!(""), |text| quote!(#text));
    quote! {
        ::ringlog::schema::Definition {
            level: #level,
            logger: ::std::borrow::Cow::Borrowed(#logger),
            file: ::std::borrow::Cow::Borrowed(::core::file!()),
            line: ::core::line!(),
            module: ::std::borrow::Cow::Borrowed(::core::module_path!()),
            function: ::std::borrow::Cow::Borrowed(""),
            text: ::std::borrow::Cow::Borrowed(#text),
            template: false,
            level_in_record: false,
            fields: ::std::borrow::Cow::Borrowed(<#record as __RinglogFields>::FIELDS),
        }
    }
}

/// The field's entry in the definition.
fn field(Field { name, ty, .. }: &Field) -> TokenStream {
    quote_spanned!(at(ty)=> ::ringlog::schema::Field::new(#name, <#ty as ::ringlog::FieldValue>::TYPE))
}

/// A call of a method of `FieldValue` for the field.
fn call(Field { ident, ty, .. }: &Field, method: &TokenStream, out: Option<TokenStream>) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as ::ringlog::FieldValue>::#method(&self.#ident, #out))
}

/// The span of the field's type, at which errors of the compiler point. Names resolve as in the rest of the expansion,
/// also where a macro wrote the type.
fn at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}
